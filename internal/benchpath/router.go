package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice"
	"sluice/app"
	"sluice/bench"
	"sluice/config"
	"sluice/store/postgres"
)

const (
	// startWithin is how long a router may take until it reads the broker.
	startWithin = 30 * time.Second
	// stopWithin is how long it may take to end, above its own shutdown_timeout.
	stopWithin = 20 * time.Second
)

// router is a batch-router in a process of its own.
type router struct {
	cmd  *exec.Cmd
	done chan error // gets the result of Wait, once
}

// startRouter starts argv and returns when the router reads the broker. Its log
// goes to standard error.
func startRouter(ctx context.Context, argv []string, socket string) (*router, error) {
	// Not killed with ctx: it is to end in order.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	// An interrupt from the terminal is for us: we end it when we have ended.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w (build it with `make build`)", err)
	}
	r := &router{cmd: cmd, done: make(chan error, 1)}
	go func() { r.done <- cmd.Wait() }()
	if err := r.awaitLeading(ctx, app.NewAdminClient(socket)); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

func (r *router) awaitLeading(ctx context.Context, client *app.AdminClient) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		status, err := client.Status(ctx)
		if err == nil && status.Leading {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("batch-router does not read the broker: %w", errors.Join(ctx.Err(), err))
		case err := <-r.done:
			r.done <- err
			return errors.New("batch-router has ended")
		case <-tick.C:
		}
	}
}

// stop ends the router in order, by force if that takes too long.
func (r *router) stop() error {
	_ = r.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	select {
	case err := <-r.done:
		return err
	case <-time.After(stopWithin):
		_ = r.cmd.Process.Kill()
		return errors.Join(errors.New("batch-router had to be killed"), <-r.done)
	}
}

// keylessRouter is the first argument with which this program is a batch-router
// that also has the sink "numbers": bench.Counter.
const keylessRouter = "keyless-router"

const keylessRoutes = "routes: [{topic: " + bench.DefaultKeylessTopic + ", sink: numbers}]\n"

func runKeylessRouter(args []string) int {
	fs := flag.NewFlagSet(keylessRouter, flag.ContinueOnError)
	sinks := keylessSinks()
	run := func(ctx context.Context, c *config.Config, log *slog.Logger) error {
		return app.NewBatchRouter(c, sinks, log).Run(ctx)
	}
	return app.Main(fs, args, run, app.BatchRouterConfig(sinks)...)
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
