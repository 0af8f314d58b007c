package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice"
)

// The counter begins at the highest row, for readings that were imported before
// the facility's first router.
const insertCounter = `
INSERT INTO sluice.entry_counter (facility_id, last_id)
SELECT $1::int, coalesce(max(entry_id), 0) FROM data.sensor WHERE facility_id = $1
ON CONFLICT DO NOTHING`

// Facility returns the number of the facility called name, registering it with
// its entry counter when it is new. Call it once when a router starts. Safe to
// call from several routers at once: all get the same number.
func Facility(ctx context.Context, pool *pgxpool.Pool, name string) (id int32, err error) {
	if !sluice.ValidName(name) {
		return 0, fmt.Errorf("facility %q: %s", name, sluice.NameRule)
	}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		id, err = findFacility(ctx, tx, name)
		if err != nil {
			return err
		}
		_, err := tx.Exec(ctx, insertCounter, id)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("facility %q: %w", name, err)
	}
	return id, nil
}

// findFacility looks before it inserts: an INSERT that conflicts would use up a
// number at every start.
func findFacility(ctx context.Context, tx pgx.Tx, name string) (id int32, err error) {
	const find = "SELECT facility_id FROM data.facility WHERE name = $1"
	err = tx.QueryRow(ctx, find, name).Scan(&id)
	if !errors.Is(err, pgx.ErrNoRows) {
		return id, err
	}
	if _, err := tx.Exec(ctx, "INSERT INTO data.facility (name) VALUES ($1) ON CONFLICT DO NOTHING", name); err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, find, name).Scan(&id)
	return id, err
}
