// Batch-router subscribes to the topics of its routes, queues every message
// durably before it acknowledges it, and hands batches to the sinks.
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
	sinks := app.DefaultSinks() // add handlers of your own here

	fs := flag.NewFlagSet("batch-router", flag.ContinueOnError)
	run := func(ctx context.Context, c *config.Config, log *slog.Logger) error {
		return app.NewBatchRouter(c, sinks, log).Run(ctx)
	}
	os.Exit(app.Main(fs, os.Args[1:], run, app.BatchRouterConfig(sinks)...))
}
