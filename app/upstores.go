package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"sluice/internal/litefile"
	"sluice/liteq"
	"sluice/store/postgres"
	"sluice/store/sqlite"
)

// UpFile is the name of the file in UpOptions.Dir.
const UpFile = "sluice.db"

// path is that of the file.
func (u *Up) path() string { return filepath.Join(u.o.Dir, UpFile) }

// stores are what the parts of the process work on.
type stores struct {
	queue queueStore
	rows  rowStore
	read  readStore
}

// open opens the stores; closing closes them.
func (u *Up) open(ctx context.Context, closing *teardown) (s stores, err error) {
	if err := os.MkdirAll(u.o.Dir, 0o700); err != nil {
		return s, fmt.Errorf("--data: %w", err)
	}
	file, err := litefile.Open(u.path())
	if err != nil {
		return s, err
	}
	closing.add("file", file.Close)
	queue, err := liteq.Open(ctx, file, liteq.Config{DeadPerDevice: u.config.Dead.PerDevice})
	if err != nil {
		return s, err
	}
	closing.add("queue", queue.Close)
	s.queue = queue
	if u.o.Postgres {
		return s, u.openPostgres(ctx, closing, &s)
	}
	rows, err := sqlite.Open(ctx, file)
	if err != nil {
		return s, err
	}
	closing.add("rows", rows.Close)
	s.rows = sqliteRows{rows}
	s.read = readStore{apiStore[*sqlite.SensorReader]{sqlite.NewQueries(rows)}, sqlite.Unavailable, []check{{"database", rows.Ping}}}
	return s, nil
}

// openPostgres brings the schema up to date: this is the only process on it.
func (u *Up) openPostgres(ctx context.Context, closing *teardown, s *stores) error {
	url := u.config.Store.Postgres.DSN().Reveal()
	if _, _, err := postgres.Migrate(ctx, url); err != nil {
		return err
	}
	pool, err := postgres.NewPool(ctx, url)
	if err != nil {
		return err
	}
	closing.add("database", func() error { pool.Close(); return nil })
	s.rows = postgresRows{pool}
	s.read = readStore{APIStore(pool), postgres.Unavailable, apiChecks(pool)}
	return nil
}
