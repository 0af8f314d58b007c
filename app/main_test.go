package app_test

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"

	"sluice/app"
	"sluice/config"
)

// processEnv, when set, makes this test binary a batch-router, for tests that
// send signals.
const processEnv = "SLUICE_APP_TEST_PROCESS"

func TestMain(m *testing.M) {
	if os.Getenv(processEnv) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	_ = os.Unsetenv(processEnv) // it is no variable of the configuration
	sinks := app.DefaultSinks()
	run := func(ctx context.Context, c *config.Config, log *slog.Logger) error {
		return app.NewBatchRouter(c, sinks, log).Run(ctx)
	}
	fs := flag.NewFlagSet("batch-router", flag.ContinueOnError)
	os.Exit(app.Main(fs, os.Args[1:], run, app.BatchRouterConfig(sinks)...))
}
