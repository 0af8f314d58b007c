package postgres

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/internal/testenv"
)

// newDatabase returns a pool on a fresh, migrated database.
func newDatabase(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return migrated(t, testenv.Database(t))
}

func migrated(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	if _, _, err := Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	return newPool(t, url)
}

func newPool(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := NewPool(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// newSink returns a sensor sink on a fresh database, and its pool.
func newSink(t testing.TB) (*Sensor, *pgxpool.Pool) {
	t.Helper()
	pool := newDatabase(t)
	return sinkOf(t, pool, SensorConfig{}), pool
}

func sinkOf(t testing.TB, pool *pgxpool.Pool, c SensorConfig) *Sensor {
	t.Helper()
	id, err := Facility(t.Context(), pool, "plant-1")
	if err != nil {
		t.Fatal(err)
	}
	return NewSensor(pool, id, c)
}

func exec(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// query returns the one value that sql gives.
func query[T any](t testing.TB, pool *pgxpool.Pool, sql string, args ...any) (v T) {
	t.Helper()
	if err := pool.QueryRow(context.WithoutCancel(t.Context()), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// wantRows checks the number of readings, and that entry ids have no gap.
func wantRows(t testing.TB, pool *pgxpool.Pool, want int) {
	t.Helper()
	if got := query[int](t, pool, "SELECT count(*) FROM data.sensor"); got != want {
		t.Errorf("got %d rows, want %d", got, want)
	}
	if top := query[int](t, pool, "SELECT coalesce(max(entry_id), 0) FROM data.sensor"); top != want {
		t.Errorf("got highest entry id %d, want %d", top, want)
	}
	if last := query[int](t, pool, "SELECT last_id FROM sluice.entry_counter"); last != want {
		t.Errorf("got counter %d, want %d", last, want)
	}
}
