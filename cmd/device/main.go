// Device simulates a fleet: each device has its own connection and last will
// and answers every pulse with a reading.
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
	fs := flag.NewFlagSet("device", flag.ContinueOnError)
	unclean := fs.Bool("unclean", false, "vanish at the end without a word, so that the last wills are published")
	run := func(ctx context.Context, c *config.Config, log *slog.Logger) error {
		return app.NewDevices(c, *unclean, os.Stdout, log).Run(ctx)
	}
	os.Exit(app.Main(fs, os.Args[1:], run, app.DeviceConfig()...))
}
