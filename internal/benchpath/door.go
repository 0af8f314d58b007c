package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"sluice/internal/benchenv"
	"sluice/internal/testenv"
)

// servers starts what the router needs.
func (s *settings) servers(ctx context.Context, dir string) (*testenv.Env, error) {
	if !s.door {
		return testenv.Start(ctx, dir)
	}
	env := &testenv.Env{}
	var err error
	if env.Postgres, err = testenv.StartPostgres(ctx, filepath.Join(dir, "postgres")); err == nil {
		env.Redis, err = testenv.StartRedis(ctx, filepath.Join(dir, "redis"))
	}
	if err != nil {
		return nil, errors.Join(err, env.Close())
	}
	return env, nil
}

// way is the line of the configuration that says how messages come in.
func (s *settings) way(ctx context.Context, env *testenv.Env) (string, error) {
	if !s.door {
		return fmt.Sprintf("broker: {url: %q}", env.Mosquitto.URL()), nil
	}
	address, err := benchenv.FreeAddress(ctx)
	// The devices of the benchmark connect all at once.
	return fmt.Sprintf("listen: {addresses: [{address: %q}], connect_rate: 100000}", address), err
}
