package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"runtime/pprof"

	"github.com/jackc/pgx/v5"

	"sluice"
	"sluice/app"
	"sluice/bench"
	"sluice/config"
	"sluice/store/postgres"
)

// leading returns a question whether the router behind an admin socket reads the
// broker, or its door is open.
func leading(socket string) func(context.Context) error {
	client := app.NewAdminClient(socket)
	return func(ctx context.Context) error {
		status, err := client.Status(ctx)
		if err == nil && !status.Leading {
			err = errors.New("it does not receive yet")
		}
		return err
	}
}

// ownRouter is the first argument with which this program is a batch-router that also
// has the sink "numbers", bench.Counter, and can write a profile.
const ownRouter = "own-router"

const keylessRoutes = "routes: [{topic: " + bench.DefaultKeylessTopic + ", sink: numbers}]\n"

func runOwnRouter(args []string) int {
	fs := flag.NewFlagSet(ownRouter, flag.ContinueOnError)
	path := fs.String("cpuprofile", "", "write a CPU profile to `FILE`")
	sinks := keylessSinks()
	run := func(ctx context.Context, c *config.Config, log *slog.Logger) error {
		return profiled(*path, func() error { return app.NewBatchRouter(c, sinks, log).Run(ctx) })
	}
	return app.Main(fs, args, run, app.BatchRouterConfig(sinks)...)
}

// profiled calls run and writes a CPU profile of it, unless path is "".
func profiled(path string, run func() error) error {
	if path == "" {
		return run()
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return errors.Join(err, file.Close())
	}
	err = run()
	pprof.StopCPUProfile()
	return errors.Join(err, file.Close())
}

func keylessSinks() app.Sinks {
	sinks := app.DefaultSinks()
	sinks["numbers"] = app.Sink{New: func(db app.Database) sluice.Handler {
		return bench.NewCounter(func(ctx context.Context, b *sluice.Batch, fn func(context.Context, pgx.Tx) error) error {
			return postgres.Once(ctx, db.Pool, b, fn)
		})
	}}
	return sinks
}
