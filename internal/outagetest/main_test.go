package outagetest

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"

	"sluice/app"
	"sluice/config"
	"sluice/internal/process"
)

// envRouter holds the path of a configuration; where it is set, this process is
// the batch-router.
const envRouter = "OUTAGETEST_ROUTER"

func TestMain(m *testing.M) {
	path, ok := os.LookupEnv(envRouter)
	if !ok {
		goleak.VerifyTestMain(m)
		return
	}
	process.DieWithParent()
	sinks := app.DefaultSinks()
	run := func(ctx context.Context, c *config.Config, log *slog.Logger) error {
		return app.NewBatchRouter(c, sinks, log).Run(ctx)
	}
	fs := flag.NewFlagSet("batch-router", flag.ContinueOnError)
	os.Exit(app.Main(fs, []string{"-config", path}, run, app.BatchRouterConfig(sinks)...))
}
