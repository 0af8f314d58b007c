// Door is a batch-router with one topic more: data/door/{door}, whose payload is
// the word open or closed. Its handler writes each batch exactly once.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice"
	"sluice/app"
	"sluice/config"
	"sluice/store/postgres"
)

func main() {
	sinks := newSinks()
	fs := flag.NewFlagSet("door", flag.ContinueOnError)
	run := func(ctx context.Context, c *config.Config, log *slog.Logger) error {
		return app.NewBatchRouter(c, sinks, log).Run(ctx)
	}
	os.Exit(app.Main(fs, os.Args[1:], run, app.BatchRouterConfig(sinks)...))
}

// newSinks returns what a route of the configuration may name as its sink.
func newSinks() app.Sinks {
	sinks := app.DefaultSinks()
	sinks["door"] = app.Sink{New: func(db app.Database) sluice.Handler { return doors{db.Pool} }}
	return sinks
}

// doors writes a row of door_event (door.sql) per message.
type doors struct{ pool *pgxpool.Pool }

// Handle implements sluice.Handler.
func (d doors) Handle(ctx context.Context, b *sluice.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	rows, bad := decode(b)
	return postgres.Once(ctx, d.pool, b, func(ctx context.Context, tx pgx.Tx) error {
		columns := []string{"door", "open", "received"}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"door_event"}, columns, pgx.CopyFromRows(rows)); err != nil {
			return err
		}
		if len(bad) > 0 {
			return &sluice.BatchError{Bad: bad}
		}
		return nil
	})
}

// decode returns the rows of a batch, and the messages that can be none.
func decode(b *sluice.Batch) (rows [][]any, bad []sluice.BadMessage) {
	for i, m := range b.Messages {
		door := b.Capture(i, "door")
		switch word := string(m.Payload); word {
		case "open", "closed":
			rows = append(rows, []any{door, word == "open", m.Received})
		default:
			bad = append(bad, sluice.BadMessage{
				Index: i, Device: door, Reason: sluice.ReasonDecode, Detail: "the payload is not open or closed",
			})
		}
	}
	return rows, bad
}
