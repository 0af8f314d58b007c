package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"sluice"
	"sluice/store"
)

// careful applies a batch that one COPY could not store, again in one
// transaction. It locks the facility's counter, so that no other writer adds
// rows of the facility, asks which readings are stored already (conflict.go) and
// copies the others, halving where the database refuses a row (bisect.go).
//
// It takes a few round trips, and two more for each row that is refused and
// each halving on the way to it; every one of them has the sink's timeout for
// itself, so that a bad batch always comes to its end.
type careful struct {
	conn     *pgx.Conn
	sink     *Sensor
	last     int64 // highest entry id given out
	stream   []byte
	saved    bool // the last COPY failed: the savepoint waits to be rolled back to
	repeated int  // duplicates
	bad      []sluice.BadMessage
}

func newCareful(s *Sensor, conn *pgx.Conn, w *work) *careful {
	return &careful{conn: conn, sink: s, stream: w.stream, bad: w.bad}
}

// store is called on a connection whose transaction has failed.
func (c *careful) store(ctx context.Context, id sluice.BatchID, rows []store.Row) (stored []byte, err error) {
	stored, applied, err := c.lock(ctx, id)
	if err != nil || applied {
		return stored, err
	}
	fresh, err := c.compare(ctx, rows)
	if err != nil {
		return nil, err
	}
	if err := c.settle(ctx, fresh); err != nil {
		return nil, err
	}
	return c.commit(ctx, id)
}

// lock begins anew with the facility's counter; applied when another worker has
// applied the batch since.
func (c *careful) lock(ctx context.Context, id sluice.BatchID) (stored []byte, applied bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.sink.timeout)
	defer cancel()
	if _, err := c.conn.Exec(ctx, "ROLLBACK"); err != nil {
		return nil, false, err
	}
	var b pgx.Batch
	b.Queue(begin)
	b.Queue(`SELECT last_id FROM sluice.entry_counter WHERE facility_id = $1 FOR UPDATE`, c.sink.facility).
		QueryRow(func(r pgx.Row) error { return c.sink.scanCounter(r, &c.last) })
	b.Queue(findBatch, [16]byte(id)).QueryRow(func(r pgx.Row) error {
		err := r.Scan(&stored)
		applied = err == nil
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err := c.conn.SendBatch(ctx, &b).Close(); err != nil || !applied {
		return nil, false, err
	}
	_, err = c.conn.Exec(ctx, "ROLLBACK")
	return stored, true, err
}

// commit stores the counter and the batch with its outcome. A batch id that has
// appeared meanwhile (no sink does that: they all hold the counter) fails it.
func (c *careful) commit(ctx context.Context, id sluice.BatchID) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.sink.timeout)
	defer cancel()
	encoded, err := store.EncodeOutcome(c.repeated, c.bad)
	if err != nil {
		return nil, err
	}
	if c.saved {
		if _, err := c.conn.Exec(ctx, "ROLLBACK TO SAVEPOINT rows"); err != nil {
			return nil, err
		}
	}
	var b pgx.Batch
	b.Queue(`UPDATE sluice.entry_counter SET last_id = $2 WHERE facility_id = $1`, c.sink.facility, c.last)
	b.Queue(`INSERT INTO sluice.applied_batch (id, facility_id, outcome) VALUES ($1, $2, $3)`, [16]byte(id), c.sink.facility, encoded)
	b.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error { return committed(tag, nil) })
	return encoded, c.conn.SendBatch(ctx, &b).Close()
}
