// Topic is a `sluice up` with one topic more: data/door/{door}, whose payload is the word
// open or closed. Its handler writes each batch exactly once, into a table of its own in
// the same file. It needs no server: go run ./examples/topic
package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"

	"github.com/ncruces/go-sqlite3"

	"sluice"
	"sluice/app"
	"sluice/config"
	"sluice/store/sqlite"
)

func main() {
	sinks := newSinks()
	o := app.UpOptions{Dir: "door-data", Listen: app.UpListen, Out: os.Stdout}
	run := func(ctx context.Context, c *config.Config, _ *slog.Logger) error {
		return app.NewUp(c, o, sinks, os.Stderr).Run(ctx)
	}
	fs := flag.NewFlagSet("topic", flag.ContinueOnError)
	os.Exit(app.Main(fs, os.Args[1:], run, append(app.UpConfig(sinks, o), config.Preset(addRoute))...))
}

// addRoute is what `routes` would say in a configuration.
func addRoute(c *config.Config) {
	c.Routes = append(c.Routes, config.Route{Topics: []string{"data/door/{door}"}, Sink: "door", Concurrency: 1, MaxPayload: 1024})
}

// newSinks returns what a route may name as its sink.
func newSinks() app.Sinks {
	sinks := app.DefaultSinks()
	sinks["door"] = app.Sink{New: func(db app.Database) sluice.Handler { return doors{db.SQLite} }}
	return sinks
}

// doors writes a row of door_event per message.
type doors struct{ store *sqlite.Store }

// Handle implements sluice.Handler.
func (d doors) Handle(ctx context.Context, b *sluice.Batch) error {
	return d.store.Once(ctx, b, func(_ context.Context, c *sqlite3.Conn) error {
		if err := c.Exec(`CREATE TABLE IF NOT EXISTS door_event (door TEXT, open INTEGER, received INTEGER)`); err != nil {
			return err
		}
		insert, _, err := c.Prepare(`INSERT INTO door_event VALUES (?, ? = 'open', ?)`)
		if err != nil {
			return err
		}
		defer func() { _ = insert.Close() }() // it tells again what Exec told
		var bad []sluice.BadMessage
		for i, m := range b.Messages {
			door, word := b.Capture(i, "door"), string(m.Payload)
			if word != "open" && word != "closed" {
				bad = append(bad, sluice.BadMessage{Index: i, Device: door, Reason: sluice.ReasonDecode, Detail: "not open or closed"})
				continue
			}
			err := errors.Join(insert.BindText(1, door), insert.BindText(2, word), insert.BindInt64(3, m.Received.Unix()), insert.Exec())
			if err != nil {
				return err
			}
		}
		if len(bad) > 0 {
			return &sluice.BatchError{Bad: bad} // the others count as done
		}
		return nil
	})
}
