package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sluice/app"
	"sluice/bench"
	"sluice/config"
	"sluice/internal/benchenv"
)

// runUp measures `sluice up`: one process, without a server.
func (s *settings) runUp(ctx context.Context, dir string) (err error) {
	door, err := benchenv.FreeAddress(ctx)
	if err != nil {
		return err
	}
	api, err := benchenv.FreeAddress(ctx)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "up.yaml")
	// The devices of the benchmark connect all at once.
	text := "facility: bench\nlisten: {addresses: [{address: " + door + "}], connect_rate: 100000}\n" +
		"api: {grpc: \"" + api + "\", http: off}\nmetrics: {batch_router: off, api: off}\n" + s.more + "\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	argv, err := s.upCommand(path, dir)
	if err != nil {
		return err
	}
	up, err := benchenv.Start(ctx, argv, leading(filepath.Join(dir, app.AdminSocket)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, up.Stop()) }()
	c := s.bench
	c.Address, c.API, c.Facility = door, api, "bench"
	c.Processes = []bench.Process{{Name: "sluice up", PIDs: []int{up.PID()}}}
	return s.print(ctx, c)
}

// ownUp is the first argument with which this program is a `sluice up` that can write a
// profile; what follows are the profile, the configuration and the folder.
const ownUp = "own-up"

func runOwnUp(args []string) int {
	profile, path, dir := args[0], args[1], args[2]
	o := app.UpOptions{Dir: dir, Listen: app.UpListen, Out: os.Stdout}
	sinks := app.DefaultSinks()
	c, err := config.Load(path, nil, app.UpConfig(sinks, o)...)
	if err == nil {
		err = benchenv.RunUntilSignal(func(ctx context.Context) error {
			return profiled(profile, func() error { return app.NewUp(c, o, sinks, os.Stderr).Run(ctx) })
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "own-up:", err)
		return 1
	}
	return 0
}

// upCommand returns how to start the process that is measured.
func (s *settings) upCommand(path, dir string) ([]string, error) {
	if s.profile == "" {
		return []string{s.up, "up", "-c", path, "--data", dir}, nil
	}
	self, err := os.Executable()
	return []string{self, ownUp, s.profile, path, dir}, err
}
