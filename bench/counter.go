package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"sluice"
)

// Once runs fn in a transaction that is committed at most once for a batch,
// whatever happens: a batch that was applied before is not applied again.
// postgres.Once bound to a pool is one.
type Once func(ctx context.Context, b *sluice.Batch, fn func(ctx context.Context, tx pgx.Tx) error) error

// Counter is the handler of the route that a keyless run publishes to: it writes
// each message's number to bench.keyless (run, number), which has no unique key,
// so that a message handled twice shows. It makes the table when it is missing,
// for which its role needs CREATE on the database. A payload that is not 16 bytes
// is a dead letter ReasonDecode. Safe for concurrent use.
type Counter struct {
	once  Once
	ready atomic.Bool // the table is there
}

// NewCounter returns a handler that writes through once.
func NewCounter(once Once) *Counter { return &Counter{once: once} }

// Handle writes the numbers of a batch.
func (c *Counter) Handle(ctx context.Context, b *sluice.Batch) error {
	rows, bad := decodeNumbers(b)
	err := c.once(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
		if err := c.ensureTable(ctx, tx); err != nil {
			return err
		}
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"bench", "keyless"}, []string{"run", "number"}, pgx.CopyFromRows(rows))
		return err
	})
	if err != nil {
		return err
	}
	c.ready.Store(true)
	if len(bad) > 0 {
		return &sluice.BatchError{Bad: bad}
	}
	return nil
}

// decodeNumbers returns the rows of a batch and its bad messages.
func decodeNumbers(b *sluice.Batch) (rows [][]any, bad []sluice.BadMessage) {
	for i, m := range b.Messages {
		if len(m.Payload) != keylessSize {
			bad = append(bad, sluice.BadMessage{
				Index: i, Reason: sluice.ReasonDecode,
				Detail: fmt.Sprintf("payload of %d bytes, want %d", len(m.Payload), keylessSize),
			})
			continue
		}
		run, number := binary.BigEndian.Uint64(m.Payload), binary.BigEndian.Uint64(m.Payload[8:])
		rows = append(rows, []any{int64(run), int64(number)})
	}
	return rows, bad
}

// keylessLock is the key of the advisory lock under which the table is made:
// IF NOT EXISTS fails when two sessions try at once.
const keylessLock = 0x62656e6368 // "bench"

// ensureTable makes the table, in the transaction of the first batch.
func (c *Counter) ensureTable(ctx context.Context, tx pgx.Tx) error {
	if c.ready.Load() {
		return nil
	}
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(keylessLock)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `
		CREATE SCHEMA IF NOT EXISTS bench;
		CREATE TABLE IF NOT EXISTS bench.keyless (run bigint NOT NULL, number bigint NOT NULL);
		CREATE INDEX IF NOT EXISTS keyless_run ON bench.keyless (run);
		COMMENT ON TABLE bench.keyless IS 'Messages of keyless benchmark runs. No unique key: a message stored twice must show.'`)
	return err
}
