package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"sluice"
)

const (
	// claimBatch stores the id of a batch and its outcome. It waits while another
	// transaction is about to do the same, and inserts nothing when one has.
	claimBatch = `
INSERT INTO sluice.applied_batch (id, facility_id, outcome) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING`
	findBatch = `SELECT outcome FROM sluice.applied_batch WHERE id = $1`
	begin     = `BEGIN ISOLATION LEVEL READ COMMITTED` // after a lock, a statement sees what the holder wrote
)

// storedOutcome reads what an earlier transaction stored for the batch; ok is
// false when there is none.
func storedOutcome(ctx context.Context, q querier, id sluice.BatchID) (stored []byte, ok bool, err error) {
	err = q.QueryRow(ctx, findBatch, [16]byte(id)).Scan(&stored)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	return stored, err == nil, err
}

// querier is what a connection, a transaction and a pool have in common.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}
