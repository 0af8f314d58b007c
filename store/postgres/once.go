package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice"
	"sluice/store"
)

// Once runs fn in a transaction that takes effect exactly once for the batch,
// whatever happens between COMMIT and the removal of the batch from its queue.
// Call it in a handler and return what it returns:
//
//	func (h doors) Handle(ctx context.Context, b *sluice.Batch) error {
//		return postgres.Once(ctx, h.pool, b, func(ctx context.Context, tx pgx.Tx) error {
//			... // write with tx, and with nothing else
//		})
//	}
//
// fn returns nil, or a *sluice.BatchError (also wrapped) that names messages it
// did not write: both commit, and are what Once returns for this batch ever
// after, without calling fn again. Any other error rolls everything back. Once
// then returns it, as a sluice.Halt if the database says that an operator has to
// act, or if the batch has failed five times for a cause that will not pass by
// itself. fn must not commit or roll back tx, nor keep it.
//
// ctx bounds the whole; give it a deadline. Safe for concurrent use; for one
// batch id the second caller waits for the first.
func Once(ctx context.Context, pool *pgxpool.Pool, b *sluice.Batch, fn func(ctx context.Context, tx pgx.Tx) error) error {
	stored, err := once(ctx, pool, b.ID, nil, fn)
	if err != nil {
		return Failure(b.Attempt, err)
	}
	return store.DecodeOutcome(stored)
}

// once returns the encoded outcome. facility is nil when the batch has none.
func once(ctx context.Context, pool *pgxpool.Pool, id sluice.BatchID, facility *int32, fn func(context.Context, pgx.Tx) error) (stored []byte, err error) {
	tx, err := pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return nil, err
	}
	defer rollback(ctx, tx) // no effect after COMMIT
	tag, err := tx.Exec(ctx, claimBatch, [16]byte(id), facility, nil)
	if err != nil {
		return nil, fmt.Errorf("claim batch: %w", err)
	}
	if tag.RowsAffected() == 0 {
		stored, ok, err := storedOutcome(ctx, tx, id)
		if err == nil && !ok {
			err = errors.New("applied batch was removed while it was read")
		}
		return stored, err
	}
	if stored, err = store.OutcomeOf(fn(ctx, tx)); err != nil {
		return nil, err
	}
	if stored != nil {
		if _, err := tx.Exec(ctx, "UPDATE sluice.applied_batch SET outcome = $2 WHERE id = $1", [16]byte(id), stored); err != nil {
			return nil, fmt.Errorf("store outcome: %w", err)
		}
	}
	return stored, tx.Commit(ctx)
}

// rollback ends tx also when ctx has ended, within DefaultTimeout: a database that
// is gone without a word must not hold up the route. A connection on which it
// fails is closed, which rolls back too.
func rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), DefaultTimeout)
	defer cancel()
	_ = tx.Rollback(ctx) // closed, or after COMMIT
}
