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

// gcPercent has the garbage collector run less often than Go's default of 100: a
// reader of one row a message costs 1.25 us of CPU a row instead of 1.5. At 200 it
// is 1.05, but 20 slow readers take more than 64 MiB.
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
