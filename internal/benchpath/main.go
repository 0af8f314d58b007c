// Benchpath measures the whole path: it starts private Mosquitto, Redis and
// PostgreSQL, the batch-router as a process of its own, and the benchmark against
// them; prints what each process cost per message; and ends everything. With -door
// there is no Mosquitto: the batch-router listens itself. With -up there is one process
// only.
//
// It exits 1 when a row is missing, doubled or wrong. With -dir the servers' data
// stay, so that the next run finds a table that is already large.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"sluice/app"
	"sluice/bench"
	"sluice/config"
	"sluice/internal/benchenv"
	"sluice/internal/testenv"
	"sluice/store/postgres"
)

// settings are the flags.
type settings struct {
	bench   bench.Config
	door    bool
	up      string // the binary of sluice; "" to measure services
	router  string // the batch-router's binary
	profile string // a file
	more    string // of the configuration, YAML
	dir     string
	json    bool
}

var errWrong = errors.New("rows are missing, doubled or wrong")

func main() {
	if len(os.Args) > 1 && os.Args[1] == ownRouter {
		os.Exit(runOwnRouter(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == ownUp {
		os.Exit(runOwnUp(os.Args[2:]))
	}
	s := flags()
	if err := benchenv.RunUntilSignal(s.run); err != nil {
		fmt.Fprintln(os.Stderr, "benchpath:", err)
		os.Exit(1)
	}
}

func flags() *settings {
	s := &settings{}
	flag.IntVar(&s.bench.Messages, "messages", 500_000, "messages in all")
	flag.IntVar(&s.bench.Devices, "devices", bench.DefaultDevices, "connections, each a device of its own")
	flag.Float64Var(&s.bench.Rate, "rate", 0, "messages per second in all; 0 is full speed")
	flag.IntVar(&s.bench.Window, "window", bench.DefaultWindow, "messages that a connection may have in flight")
	flag.BoolVar(&s.bench.Keyless, "keyless", false, "measure a route without a key")
	flag.BoolVar(&s.door, "door", false, "measure the front door: the devices connect to the batch-router itself")
	flag.StringVar(&s.up, "up", "", "measure sluice up: the `binary` of sluice, bin/sluice")
	flag.StringVar(&s.router, "router", "bin/batch-router", "the batch-router's `binary`; not used with -keyless and -cpuprofile")
	flag.StringVar(&s.profile, "cpuprofile", "", "write a CPU profile of the batch-router to `FILE`")
	flag.StringVar(&s.more, "config", "", "more of the batch-router's configuration, in `YAML`: 'gather: 0s'")
	flag.StringVar(&s.dir, "dir", "", "keep the servers' data in `DIR` (default: a temporary folder, removed at the end)")
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
	if s.up != "" {
		return s.runUp(ctx, dir)
	}
	env, err := s.servers(ctx, dir)
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
	conf, err := s.writeConfig(ctx, dir, env, routes)
	if err != nil {
		return err
	}
	router, err := benchenv.Start(ctx, append(argv, "-config", conf.path), leading(conf.Admin))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, router.Stop()) }()
	return s.measure(ctx, conf.Config, env, router)
}

// command returns how to start the router, and the routes of its configuration.
func (s *settings) command() (argv []string, routes string, err error) {
	if s.bench.Keyless {
		routes = keylessRoutes
	}
	if !s.bench.Keyless && s.profile == "" {
		return []string{s.router}, routes, nil
	}
	self, err := os.Executable()
	return []string{self, ownRouter, "-cpuprofile", s.profile}, routes, err
}

func (s *settings) measure(ctx context.Context, conf *config.Config, env *testenv.Env, router *benchenv.Process) error {
	c := s.bench
	c.Address, c.Database, c.Facility = conf.Broker.Address(), env.Postgres.URL(), conf.Facility
	c.Processes = []bench.Process{
		{Name: "batch-router", PIDs: []int{router.PID()}},
		{Name: "redis", PIDs: []int{env.Redis.PID()}},
		{Name: "postgres", PIDs: []int{env.Postgres.PID()}},
	}
	if env.Mosquitto != nil {
		c.Processes = append(c.Processes, bench.Process{Name: "mosquitto", PIDs: []int{env.Mosquitto.PID()}})
	}
	return s.print(ctx, c)
}

// print runs the benchmark and prints what it found.
func (s *settings) print(ctx context.Context, c bench.Config) error {
	c.Progress = benchenv.Terminal()
	c.Logger = app.NewLogger(os.Stderr, "bench", slog.LevelInfo)
	b, err := bench.New(c)
	if err != nil {
		return err
	}
	result, err := b.Run(ctx)
	if err != nil {
		return err
	}
	if err := benchenv.Print(result, s.json); err != nil {
		return err
	}
	if !result.OK() {
		return errWrong
	}
	return nil
}

// configFile is a configuration and where it lies.
type configFile struct {
	*config.Config
	path string
}

func (s *settings) writeConfig(ctx context.Context, dir string, env *testenv.Env, routes string) (configFile, error) {
	way, err := s.way(ctx, env)
	if err != nil {
		return configFile{}, err
	}
	path := filepath.Join(dir, "sluice.yaml")
	text := fmt.Sprintf(`facility: bench
%s
queue: {redis: {url: %q}}
store: {postgres: {url: %q}}
admin: admin.sock
metrics: {batch_router: off}
%s%s
`, way, env.Redis.URL(), env.Postgres.URL(), routes, s.more)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return configFile{}, err
	}
	c, err := config.Load(path, nil, config.Sinks(keylessSinks().Names()...))
	return configFile{c, path}, err
}
