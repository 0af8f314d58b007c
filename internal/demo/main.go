// Demo runs the whole pipeline on private real servers: Mosquitto, Redis,
// PostgreSQL, a batch-router, a clock and a simulated fleet. It needs nothing
// but the servers' binaries, and leaves nothing running.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"sluice/app"
	"sluice/config"
	"sluice/internal/benchenv"
	"sluice/internal/testenv"
	"sluice/store/postgres"
)

func main() {
	devices := flag.Int("devices", 20, "simulate `N` devices")
	interval := flag.Duration("interval", 2*time.Second, "time between two pulses")
	dir := flag.String("dir", "", "keep the servers' data in `DIR` (default: a temporary folder, removed at the end)")
	flag.Parse()
	if err := runUntilSignal(*dir, *devices, *interval); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func runUntilSignal(dir string, devices int, interval time.Duration) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process
	return run(ctx, dir, devices, interval)
}

func run(ctx context.Context, dir string, devices int, interval time.Duration) (err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "sluice"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := os.Chmod(dir, 0o755); err != nil { // the database runs as another user
			return err
		}
	}
	fmt.Println("starting Mosquitto, Redis and PostgreSQL ...")
	env, err := testenv.Start(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, env.Close()) }()
	path, err := writeConfig(ctx, dir, env, devices, interval)
	if err != nil {
		return err
	}
	if _, _, err := postgres.Migrate(ctx, env.Postgres.URL()); err != nil {
		return err
	}
	c, err := config.Load(path, nil)
	if err != nil {
		return err
	}
	explain(c, path, env)
	return pipeline(ctx, c, filepath.Join(dir, "sluice.log"))
}

// writeConfig writes the configuration that the services, and whoever looks on
// with the sluice command, read.
func writeConfig(ctx context.Context, dir string, env *testenv.Env, devices int, interval time.Duration) (string, error) {
	metrics, err := benchenv.FreeAddress(ctx)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf(`facility: demo
broker: {url: %q}
queue: {redis: {url: %q}}
store: {postgres: {url: %q}}
clock: {interval: %s}
device: {count: %d}
admin: admin.sock
metrics: {batch_router: %q, clock: off, device: off}
`, env.Mosquitto.URL(), env.Redis.URL(), env.Postgres.URL(), interval, devices, metrics)
	path := filepath.Join(dir, "sluice.yaml")
	return path, os.WriteFile(path, []byte(text), 0o644)
}

func explain(c *config.Config, path string, env *testenv.Env) {
	host, port, _ := net.SplitHostPort(env.Mosquitto.Addr())
	fmt.Printf(`
The pipeline is up. In another terminal:

  rows      psql %q -c 'SELECT * FROM data.sensor ORDER BY entry_id DESC LIMIT 5'
  account   go run ./cmd/sluice -c %s account
  status    go run ./cmd/sluice -c %s status
  metrics   curl http://%s/metrics
  publish   printf 'device: "me" temp: 21.5 rh: 40 epoch: %%d' $(date +%%s) |
              protoc --encode=msg.SensorData proto/msg.proto |
              mosquitto_pub -h %s -p %s -q 1 -t data/sensor -s

Ctrl-C stops everything.

`, env.Postgres.URL(), path, path, c.Metrics.BatchRouter, host, port)
}

// pipeline runs the services until ctx ends, devices and clock first to go, or
// until one of them fails.
func pipeline(ctx context.Context, c *config.Config, logPath string) error {
	logFile, err := os.Create(logPath)
	if err != nil {
		return err
	}
	defer logFile.Close()
	log := app.NewLogger(logFile, "demo", c.LogLevel())

	routerCtx, stopRouter := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRouter()
	ended := make(chan error, 1)
	go func() { ended <- app.NewBatchRouter(c, app.DefaultSinks(), log).Run(routerCtx) }()

	senders, senderCtx := errgroup.WithContext(ctx)
	senders.Go(func() error { return app.NewDevices(c, false, nil, log).Run(senderCtx) })
	senders.Go(func() error { return app.NewClock(c, 0, log).Run(senderCtx) })
	senders.Go(func() error { return watch(senderCtx, c, os.Stdout) })
	senders.Go(func() error {
		select {
		case err := <-ended:
			ended <- nil
			return fmt.Errorf("the batch-router ended: %w", err)
		case <-senderCtx.Done():
			return nil
		}
	})
	err = senders.Wait()
	stopRouter()
	return errors.Join(err, <-ended)
}

// watch keeps a line of counts up to date.
func watch(ctx context.Context, c *config.Config, out *os.File) error {
	client := app.NewAdminClient(c.Admin)
	start, end := "", "\n"
	if term.IsTerminal(int(out.Fd())) {
		start, end = "\r\x1b[K", ""
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	defer fmt.Fprintln(out)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		s, err := client.Status(ctx)
		if err != nil {
			continue // not up yet
		}
		for _, q := range s.Queues {
			if q.Queue != c.Routes[0].Topics[0] {
				continue
			}
			a := q.Account
			fmt.Fprintf(out, "%s%s  received %d  stored %d  duplicate %d  dead %d  queued %d%s",
				start, time.Now().Format(time.TimeOnly), a.Received, a.Stored, a.Duplicate, a.Dead, q.Queued(), end)
		}
	}
}
