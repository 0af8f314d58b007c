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

var pruneStatements = []string{
	`DELETE FROM sluice.applied_batch WHERE id IN (
	    SELECT id FROM sluice.applied_batch WHERE applied_at < now() - $1::interval
	    ORDER BY applied_at LIMIT $2 FOR UPDATE SKIP LOCKED)`,
	`DELETE FROM sluice.dead_letter WHERE id IN (
	    SELECT id FROM sluice.dead_letter WHERE stored_at < now() - $1::interval
	    ORDER BY stored_at LIMIT $2 FOR UPDATE SKIP LOCKED)`,
}

// Prune removes applied batches and dead letters older than keep, by the clock
// of the database, in small steps, and returns how many rows it removed, also
// with an error. A batch that waits in its queue for longer than keep after it
// was applied would be applied again: let keep be weeks (DefaultKeep). Run it
// about once an hour; several at once do no harm.
func Prune(ctx context.Context, pool *pgxpool.Pool, keep time.Duration) (removed int64, err error) {
	if keep <= 0 {
		return 0, fmt.Errorf("prune: keep %v: must be above 0", keep)
	}
	for _, statement := range pruneStatements {
		for {
			tag, err := pool.Exec(ctx, statement, keep, pruneStep)
			if err != nil {
				return removed, fmt.Errorf("prune: %w", err)
			}
			removed += tag.RowsAffected()
			if tag.RowsAffected() < pruneStep {
				break
			}
		}
	}
	return removed, nil
}
