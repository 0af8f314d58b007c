package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// DefaultKeep is how long applied batches and dead letters are kept.
const DefaultKeep = 30 * 24 * time.Hour

// pruneStep is how many rows one statement removes at most: a few milliseconds
// of locks and log.
const pruneStep = 1000

const (
	pruneApplied = `DELETE FROM sluice.applied_batch WHERE id IN (
	    SELECT id FROM sluice.applied_batch WHERE applied_at < now() - $1::interval
	    ORDER BY applied_at LIMIT $2 FOR UPDATE SKIP LOCKED)`
	pruneDead = `DELETE FROM sluice.dead_letter WHERE id IN (
	    SELECT id FROM sluice.dead_letter WHERE stored_at < now() - $1::interval AND facility_id = $3
	    ORDER BY stored_at LIMIT $2 FOR UPDATE SKIP LOCKED)`
)

// Prune removes the facility's dead letters older than keep, and all applied
// batches older than DefaultKeep, by the clock of the database, in small steps,
// and returns how many rows it removed, also with an error. Applied batches have
// no setting: one that is forgotten while its batch still waits in a queue would
// be applied again. Run it about once an hour; several at once do no harm.
func Prune(ctx context.Context, pool *pgxpool.Pool, facility int32, keep time.Duration) (removed int64, err error) {
	if keep <= 0 {
		return 0, fmt.Errorf("prune: keep %v: must be above 0", keep)
	}
	removed, err = prune(ctx, pool, pruneApplied, DefaultKeep, pruneStep)
	if err != nil {
		return removed, err
	}
	dead, err := prune(ctx, pool, pruneDead, keep, pruneStep, facility)
	return removed + dead, err
}

// prune repeats a statement until it finds no more than a step's worth.
func prune(ctx context.Context, pool *pgxpool.Pool, statement string, args ...any) (removed int64, err error) {
	for {
		tag, err := pool.Exec(ctx, statement, args...)
		if err != nil {
			return removed, fmt.Errorf("prune: %w", err)
		}
		removed += tag.RowsAffected()
		if tag.RowsAffected() < pruneStep {
			return removed, nil
		}
	}
}
