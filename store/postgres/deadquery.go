package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/store"
)

const matchDead = `
    ($1 = '' OR facility_id = (SELECT f.facility_id FROM data.facility f WHERE f.name = $1))
AND ($2 = '' OR route = $2) AND ($3 = '' OR device = $3) AND ($4 = '' OR reason = $4)
AND ($5::timestamptz IS NULL OR at >= $5) AND ($6::timestamptz IS NULL OR at < $6)`

const selectDead = `
SELECT id, coalesce((SELECT f.name FROM data.facility f WHERE f.facility_id = d.facility_id), ''),
       batch_id, coalesce(batch_index, 0), route, device, topic, payload, received, reason, code, detail, at
FROM sluice.dead_letter d`

func deadArguments(f store.DeadFilter) []any {
	return []any{store.Text(f.Facility), store.Text(f.Route), store.Text(f.Device), store.Text(f.Reason), timeOrNull(f.Since), timeOrNull(f.Until)}
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// ListDead returns the dead letters that match, newest first, at most limit (1
// or more). To go on, call it again with before as the ID of the last one; 0
// begins with the newest.
func ListDead(ctx context.Context, pool *pgxpool.Pool, f store.DeadFilter, before int64, limit int) ([]store.StoredDead, error) {
	rows, _ := pool.Query(ctx, selectDead+" WHERE"+matchDead+" AND ($7 = 0 OR id < $7) ORDER BY id DESC LIMIT $8",
		append(deadArguments(f), before, limit)...)
	return collectDead(rows)
}

// GetDead returns the dead letters with these ids, in the order of their ids;
// ids that do not exist are left out. To replay a letter, append its Payload
// under its Topic to the queue of its Route, and DropDead it when that is done.
func GetDead(ctx context.Context, pool *pgxpool.Pool, ids ...int64) ([]store.StoredDead, error) {
	rows, _ := pool.Query(ctx, selectDead+" WHERE id = ANY($1) ORDER BY id", ids)
	return collectDead(rows)
}

func collectDead(rows pgx.Rows) ([]store.StoredDead, error) {
	letters, err := pgx.CollectRows(rows, scanDead)
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	return letters, nil
}

func scanDead(row pgx.CollectableRow) (d store.StoredDead, err error) {
	var batch *[16]byte
	err = row.Scan(&d.ID, &d.Facility, &batch, &d.Index, &d.Route, &d.Device, &d.Topic, &d.Payload,
		&d.Received, &d.Reason, &d.Code, &d.Detail, &d.At)
	if batch != nil {
		d.Batch = *batch
	}
	return d, err
}

// DropDead removes the dead letters with these ids and returns how many there
// were.
func DropDead(ctx context.Context, pool *pgxpool.Pool, ids ...int64) (int64, error) {
	tag, err := pool.Exec(ctx, "DELETE FROM sluice.dead_letter WHERE id = ANY($1)", ids)
	if err != nil {
		return 0, fmt.Errorf("drop dead letters: %w", err)
	}
	return tag.RowsAffected(), nil
}

// DropDeadMatching removes every dead letter that matches and returns how many
// there were. The zero filter removes all.
func DropDeadMatching(ctx context.Context, pool *pgxpool.Pool, f store.DeadFilter) (int64, error) {
	tag, err := pool.Exec(ctx, "DELETE FROM sluice.dead_letter WHERE"+matchDead, deadArguments(f)...)
	if err != nil {
		return 0, fmt.Errorf("drop dead letters: %w", err)
	}
	return tag.RowsAffected(), nil
}
