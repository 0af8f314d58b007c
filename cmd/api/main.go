// Api serves readings, presence and the state of routes over gRPC.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"runtime/debug"

	"sluice/app"
	"sluice/config"
)

// gcPercent is less collecting than Go's default of 100 for somewhat more memory:
// one row a message cost 1.3 us of CPU a row instead of 1.9 at 200, but 20 slow
// readers 71 MiB; they stay below 60 at 150.
const gcPercent = 150

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	fs := flag.NewFlagSet("api", flag.ContinueOnError)
	run := func(ctx context.Context, c *config.Config, log *slog.Logger) error {
		return app.NewAPI(c, log).Run(ctx)
	}
	os.Exit(app.Main(fs, os.Args[1:], run, app.APIConfig()...))
}
