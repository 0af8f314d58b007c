package systemdtest

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"

	"sluice/app"
	"sluice/config"
	"sluice/internal/process"
)

// serviceEnv names the service that this process is, for processes of the tests.
const serviceEnv = "SYSTEMDTEST_SERVICE"

func TestMain(m *testing.M) {
	name, ok := os.LookupEnv(serviceEnv)
	if !ok {
		goleak.VerifyTestMain(m)
		return
	}
	_ = os.Unsetenv(serviceEnv) // it is no variable of the configuration
	process.DieWithParent()
	if name == "up" {
		os.Exit(up(os.Args[1], os.Args[2]))
	}
	os.Exit(serve(name))
}

// services are the mains of cmd, by name.
func services() map[string]service {
	sinks := app.DefaultSinks()
	return map[string]service{
		"batch-router": {app.BatchRouterConfig(sinks), func(ctx context.Context, c *config.Config, log *slog.Logger) error {
			return app.NewBatchRouter(c, sinks, log).Run(ctx)
		}},
		"api": {app.APIConfig(), func(ctx context.Context, c *config.Config, log *slog.Logger) error {
			return app.NewAPI(c, log).Run(ctx)
		}},
		"clock": {app.ClockConfig(), func(ctx context.Context, c *config.Config, log *slog.Logger) error {
			return app.NewClock(c, 0, log).Run(ctx)
		}},
		"device": {app.DeviceConfig(), func(ctx context.Context, c *config.Config, log *slog.Logger) error {
			return app.NewDevices(c, false, os.Stdout, log).Run(ctx)
		}},
	}
}

type service struct {
	options []config.Option
	run     app.Service
}

func serve(name string) int {
	s, ok := services()[name]
	if !ok {
		fmt.Fprintln(os.Stderr, "no such service:", name)
		return app.ExitUsage
	}
	return app.Main(flag.NewFlagSet(name, flag.ContinueOnError), os.Args[1:], s.run, s.options...)
}
