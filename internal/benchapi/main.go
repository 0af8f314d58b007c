// Benchapi measures the api: it starts a private PostgreSQL with readings in it, the
// api as a process of its own, and the benchmark against them; prints what a row
// costs each process by each way to read, and how slow readers are borne; and ends
// everything.
//
// It exits 1 when a stream is not complete. With -dir the database stays, and a
// later run with as many rows uses it again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"sluice/app"
	"sluice/bench"
	"sluice/config"
	"sluice/internal/benchenv"
	"sluice/internal/testenv"
)

// settings are the flags.
type settings struct {
	bench bench.APIConfig
	rows  int64
	api   string // the api's binary
	dir   string
	json  bool
}

var errIncomplete = errors.New("a stream is not complete")

func main() {
	s := flags()
	if err := benchenv.RunUntilSignal(s.run); err != nil {
		fmt.Fprintln(os.Stderr, "benchapi:", err)
		os.Exit(1)
	}
}

func flags() *settings {
	s := &settings{}
	flag.Int64Var(&s.rows, "rows", 1_000_000, "readings in the database, a tenth of them in the time range")
	flag.IntVar(&s.bench.Runs, "runs", bench.DefaultRuns, "how often each reading is measured")
	flag.IntVar(&s.bench.Readers, "readers", 20, "readers at once; 0: do not measure this")
	flag.DurationVar(&s.bench.Slow, "slow", 15*time.Second, "they are slow for so long")
	flag.DurationVar(&s.bench.Stop, "stop", time.Minute, "readers stop for so long; 0: do not measure this")
	flag.StringVar(&s.api, "api", "bin/api", "the api's `binary`")
	flag.StringVar(&s.dir, "dir", "", "keep the database in `DIR` (default: a temporary folder, removed at the end)")
	flag.BoolVar(&s.json, "json", false, "print JSON")
	flag.Parse()
	return s
}

func (s *settings) run(ctx context.Context) (err error) {
	dir, remove, err := benchenv.Folder(s.dir)
	if err != nil {
		return err
	}
	defer remove()
	db, err := testenv.StartPostgres(ctx, filepath.Join(dir, "postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := fill(ctx, db.URL(), s.rows, benchenv.Terminal()); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	path, addr, err := writeConfig(ctx, dir, db.URL())
	if err != nil {
		return err
	}
	api, err := benchenv.Start(ctx, []string{s.api, "-config", path}, serving(addr))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, api.Stop()) }()
	return s.measure(ctx, addr, db, api)
}

func (s *settings) measure(ctx context.Context, addr string, db *testenv.Instance, api *benchenv.Process) error {
	c := s.bench
	c.Target, c.Database = addr, db.URL()
	c.From, c.To = tenth(s.rows)
	c.Devices = someDevices()
	c.Processes = []bench.Process{{Name: "api", PIDs: []int{api.PID()}}, {Name: "postgres", PIDs: []int{db.PID()}}}
	c.Progress, c.Logger = benchenv.Terminal(), app.NewLogger(os.Stderr, "bench", 0)
	b, err := bench.NewAPI(c)
	if err != nil {
		return err
	}
	result, err := b.Run(ctx)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if err != nil {
		return err
	}
	if err := benchenv.Print(result, s.json); err != nil {
		return err
	}
	if !result.OK() {
		return errIncomplete
	}
	return nil
}

// writeConfig writes the configuration of an api with a free address.
func writeConfig(ctx context.Context, dir, database string) (path, addr string, err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	addr, path = l.Addr().String(), filepath.Join(dir, "sluice.yaml")
	text := fmt.Sprintf("store: {postgres: {url: %q}}\napi: {grpc: %q, http: off}\nmetrics: {api: off}\n", database, addr)
	if err := errors.Join(l.Close(), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		return "", "", err
	}
	_, err = config.Load(path, nil, app.APIConfig()...)
	return path, addr, err
}

// serving returns a question whether the api at addr serves.
func serving(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		_, err = grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		return err
	}
}
