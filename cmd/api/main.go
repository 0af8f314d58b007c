// Api serves readings, presence and the state of routes over gRPC.
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
	fs := flag.NewFlagSet("api", flag.ContinueOnError)
	run := func(ctx context.Context, c *config.Config, log *slog.Logger) error {
		return app.NewAPI(c, log).Run(ctx)
	}
	os.Exit(app.Main(fs, os.Args[1:], run, app.APIConfig()...))
}
