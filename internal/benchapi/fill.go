package main

import (
	"context"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/store/postgres"
)

const (
	// devices is how many there are; each has a reading every second.
	devices = 1000
	// epoch0 is the time of the first readings.
	epoch0 = 1_700_000_000
	// slice is how many rows one statement inserts.
	slice = 500_000
)

// tenth returns the bounds of the time in which a tenth of n rows lie.
func tenth(n int64) (from, to int64) {
	seconds := max(n/devices, 10)
	return epoch0 + seconds*4/10, epoch0 + seconds*5/10
}

// someDevices returns the names of a tenth of the devices.
func someDevices() (names []string) {
	for i := 0; i < devices; i += 10 {
		names = append(names, fmt.Sprintf("dev-%04d", i))
	}
	return names
}

const insert = `
INSERT INTO data.sensor (entry_id, facility_id, device, temp, rh, epoch)
SELECT i, $1, 'dev-' || lpad((i % $2)::text, 4, '0'), 20 + (i % 100)::real / 10, 40 + (i % 300)::real / 10, $3::bigint + i / $2
FROM generate_series($4::bigint, $5::bigint) i`

// fill migrates the database at url and puts n readings of one facility into it,
// unless it has them; terminal, when not nil, shows how far it is.
func fill(ctx context.Context, url string, n int64, terminal io.Writer) error {
	if _, _, err := postgres.Migrate(ctx, url); err != nil {
		return err
	}
	pool, err := postgres.NewPool(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	id, err := postgres.Facility(ctx, pool, "bench")
	if err != nil {
		return err
	}
	var last int64
	if err := pool.QueryRow(ctx, "SELECT coalesce(max(entry_id), 0) FROM data.sensor WHERE facility_id = $1", id).Scan(&last); err != nil {
		return err
	}
	if last > n {
		return fmt.Errorf("there are %d rows already; use another -dir", last)
	}
	if terminal != nil {
		defer fmt.Fprint(terminal, "\r\x1b[K")
	}
	for ; last < n; last += slice {
		if terminal != nil {
			fmt.Fprintf(terminal, "\r\x1b[Kfilling: %d of %d rows", last, n)
		}
		if _, err := pool.Exec(ctx, insert, id, devices, epoch0, last+1, min(last+slice, n)); err != nil {
			return err
		}
	}
	return settle(ctx, pool)
}

// settle leaves nothing for the server to do while it is measured.
func settle(ctx context.Context, pool *pgxpool.Pool) error {
	for _, sql := range []string{"VACUUM (ANALYZE) data.sensor", "CHECKPOINT"} {
		if _, err := pool.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}
