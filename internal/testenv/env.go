package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// StartMosquitto starts a broker with its files in dir, which is made if it does
// not exist and keeps the data: a later start in the same dir finds them. The
// port is another one each time. End it with Close.
func StartMosquitto(ctx context.Context, dir string, opts ...Option) (*Instance, error) {
	return startIn(ctx, mosquittoKind{}, dir, opts)
}

// StartRedis starts a Redis; see StartMosquitto.
func StartRedis(ctx context.Context, dir string, opts ...Option) (*Instance, error) {
	return startIn(ctx, redisKind{}, dir, opts)
}

// StartPostgres starts a PostgreSQL cluster; see StartMosquitto. When we are
// root, dir must be reachable for user postgres, who owns what is in it.
func StartPostgres(ctx context.Context, dir string, opts ...Option) (*Instance, error) {
	return startIn(ctx, postgresKind{}, dir, opts)
}

func startIn(ctx context.Context, k kind, dir string, opts []Option) (*Instance, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return launch(ctx, k, dir, opts)
}

// Env is the three servers that a whole pipeline needs.
type Env struct {
	Mosquitto, Redis, Postgres *Instance
}

// Start starts all three, each in a folder of dir. For programs; tests call
// Mosquitto, Redis and Postgres. End it with Close.
func Start(ctx context.Context, dir string) (*Env, error) {
	env := &Env{}
	for _, part := range []struct {
		kind  kind
		place **Instance
	}{
		{postgresKind{}, &env.Postgres},
		{redisKind{}, &env.Redis},
		{mosquittoKind{}, &env.Mosquitto},
	} {
		in, err := startIn(ctx, part.kind, filepath.Join(dir, part.kind.name()), nil)
		if err != nil {
			return nil, errors.Join(err, env.Close())
		}
		*part.place = in
	}
	return env, nil
}

// Close stops the servers in order, the broker first, and returns when they are
// gone. Their files stay.
func (e *Env) Close() error {
	var errs []error
	for _, in := range []*Instance{e.Mosquitto, e.Redis, e.Postgres} {
		if in == nil {
			continue
		}
		if err := in.Close(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", in.kind.name(), err))
		}
	}
	return errors.Join(errs...)
}
