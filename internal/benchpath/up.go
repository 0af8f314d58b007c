package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"sluice/app"
	"sluice/bench"
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
	up, err := benchenv.Start(ctx, []string{s.up, "up", "-c", path, "--data", dir}, leading(filepath.Join(dir, app.AdminSocket)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, up.Stop()) }()
	c := s.bench
	c.Address, c.API, c.Facility = door, api, "bench"
	c.Processes = []bench.Process{{Name: "sluice up", PIDs: []int{up.PID()}}}
	return s.print(ctx, c)
}
