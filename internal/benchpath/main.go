// Benchpath measures the whole path: it starts private Mosquitto, Redis and
// PostgreSQL, the batch-router as a process of its own, and the benchmark against
// them; prints what each process cost per message; and ends everything.
//
// It exits 1 when a row is missing, doubled or wrong. With -dir the servers' data
// stay, so that the next run finds a table that is already large.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/term"

	"sluice/app"
	"sluice/bench"
	"sluice/config"
	"sluice/internal/testenv"
	"sluice/store/postgres"
)

// settings are the flags.
type settings struct {
	bench  bench.Config
	router string // the batch-router's binary
	dir    string
	json   bool
}

var errWrong = errors.New("rows are missing, doubled or wrong")

func main() {
	if len(os.Args) > 1 && os.Args[1] == keylessRouter {
		os.Exit(runKeylessRouter(os.Args[2:]))
	}
	if err := runUntilSignal(flags()); err != nil {
		fmt.Fprintln(os.Stderr, "benchpath:", err)
		os.Exit(1)
	}
}

func runUntilSignal(s *settings) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process
	return run(ctx, s)
}

func flags() *settings {
	s := &settings{}
	flag.IntVar(&s.bench.Messages, "messages", 500_000, "messages in all")
	flag.IntVar(&s.bench.Devices, "devices", bench.DefaultDevices, "connections, each a device of its own")
	flag.Float64Var(&s.bench.Rate, "rate", 0, "messages per second in all; 0 is full speed")
	flag.IntVar(&s.bench.Window, "window", bench.DefaultWindow, "messages that a connection may have in flight")
	flag.BoolVar(&s.bench.Keyless, "keyless", false, "measure a route without a key")
	flag.StringVar(&s.router, "router", "bin/batch-router", "the batch-router's `binary`; not used with -keyless")
	flag.StringVar(&s.dir, "dir", "", "keep the servers' data in `DIR` (default: a temporary folder, removed at the end)")
	flag.BoolVar(&s.json, "json", false, "print JSON")
	flag.Parse()
	return s
}

func run(ctx context.Context, s *settings) (err error) {
	dir, remove, err := folder(s.dir)
	if err != nil {
		return err
	}
	defer remove()
	env, err := testenv.Start(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, env.Close()) }()
	if _, _, err := postgres.Migrate(ctx, env.Postgres.URL()); err != nil {
		return err
	}

	argv, routes, err := s.command()
	if err != nil {
		return err
	}
	conf, err := writeConfig(dir, env, routes)
	if err != nil {
		return err
	}
	router, err := startRouter(ctx, append(argv, "-config", conf.path), conf.Admin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, router.stop()) }()
	return s.measure(ctx, conf.Config, env, router)
}

// command returns how to start the router, and the routes of its configuration.
func (s *settings) command() (argv []string, routes string, err error) {
	if !s.bench.Keyless {
		return []string{s.router}, "", nil
	}
	self, err := os.Executable()
	return []string{self, keylessRouter}, keylessRoutes, err
}

// folder returns where the servers keep their data, and what removes it if it is
// temporary. PostgreSQL's user must be able to pass through.
func folder(dir string) (string, func(), error) {
	if dir != "" {
		return dir, func() {}, nil
	}
	dir, err := os.MkdirTemp("", "sluice-bench-")
	if err != nil {
		return "", nil, err
	}
	return dir, func() { _ = os.RemoveAll(dir) }, os.Chmod(dir, 0o755)
}

func (s *settings) measure(ctx context.Context, conf *config.Config, env *testenv.Env, router *router) error {
	c := s.bench
	c.Address, c.Database, c.Facility = env.Mosquitto.Addr(), env.Postgres.URL(), conf.Facility
	c.Processes = []bench.Process{
		{Name: "batch-router", PIDs: []int{router.cmd.Process.Pid}},
		{Name: "redis", PIDs: []int{env.Redis.PID()}},
		{Name: "mosquitto", PIDs: []int{env.Mosquitto.PID()}},
		{Name: "postgres", PIDs: []int{env.Postgres.PID()}},
	}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		c.Progress = os.Stderr
	}
	c.Logger = app.NewLogger(os.Stderr, "bench", conf.LogLevel())
	b, err := bench.New(c)
	if err != nil {
		return err
	}
	result, err := b.Run(ctx)
	if err != nil {
		return err
	}
	if err := s.print(result); err != nil {
		return err
	}
	if !result.OK() {
		return errWrong
	}
	return nil
}

func (s *settings) print(r *bench.Result) error {
	if s.json {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	return r.WriteTable(os.Stdout)
}

// configFile is a configuration and where it lies.
type configFile struct {
	*config.Config
	path string
}

func writeConfig(dir string, env *testenv.Env, routes string) (configFile, error) {
	path := filepath.Join(dir, "sluice.yaml")
	text := fmt.Sprintf(`facility: bench
broker: {url: %q}
queue: {redis: {url: %q}}
store: {postgres: {url: %q}}
admin: admin.sock
metrics: {batch_router: off}
%s`, env.Mosquitto.URL(), env.Redis.URL(), env.Postgres.URL(), routes)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return configFile{}, err
	}
	c, err := config.Load(path, nil, config.Sinks(keylessSinks().Names()...))
	return configFile{c, path}, err
}
