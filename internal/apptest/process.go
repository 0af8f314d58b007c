package apptest

import (
	"context"
	"flag"
	"log/slog"

	"sluice/app"
	"sluice/config"
)

// RunBatchRouter makes this process the batch-router with these sinks, on the
// configuration at path, and returns its exit status.
func RunBatchRouter(path string, sinks app.Sinks) int {
	run := func(ctx context.Context, c *config.Config, log *slog.Logger) error {
		return app.NewBatchRouter(c, sinks, log).Run(ctx)
	}
	fs := flag.NewFlagSet("batch-router", flag.ContinueOnError)
	return app.Main(fs, []string{"-config", path}, run, app.BatchRouterConfig(sinks)...)
}
