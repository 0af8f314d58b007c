// Clock publishes the pulse that asks all devices for a reading.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"

	"sluice/app"
	"sluice/config"
)

func main() {
	fs := flag.NewFlagSet("clock", flag.ContinueOnError)
	count := fs.Int("count", 0, "end after `N` pulses; 0 goes on for ever")
	run := func(ctx context.Context, c *config.Config, log *slog.Logger) error {
		return app.NewClock(c, *count, log).Run(ctx)
	}
	os.Exit(app.Main(fs, os.Args[1:], run, app.ClockConfig()...))
}
