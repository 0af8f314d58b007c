package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice"
	"sluice/store"
)

// DefaultTimeout is how long a sink waits for each answer of the database.
const DefaultTimeout = 30 * time.Second

// SensorConfig has settings of a Sensor; the zero value is right for most.
type SensorConfig struct {
	// EpochMin is the earliest time of a reading that is accepted. Default
	// 2000-01-01 UTC.
	EpochMin time.Time
	// EpochAhead is how far a reading's time may lie after the time at which its
	// message was received. Default 24 h.
	EpochAhead time.Duration
	// Timeout is how long to wait for each answer of the database before the
	// connection is given up and the batch tried again. Default DefaultTimeout.
	Timeout time.Duration
}

// Sensor is the sink of the sensor route: a sluice.Handler that decodes
// msg.SensorData and adds one row of data.sensor per reading, exactly once.
//
// A batch is one transaction: the facility's counter row gives the entry ids
// and, locked until COMMIT, the order; the batch's id is claimed; the rows go in
// by COPY. That takes two round trips. When the COPY is refused for a row, the
// batch is done again with care (see careful).
//
// Handle returns nil, a *sluice.BatchError, a sluice.Halt or an error to be
// tried again. Reasons: decode, device_name, identity (the {device} of the topic
// and the payload differ), not_finite, epoch, conflict, data (Code has the
// SQLSTATE). Safe for concurrent use; batches of one facility take turns.
type Sensor struct {
	pool     *pgxpool.Pool
	facility int32
	rules    store.Rules
	timeout  time.Duration
	// scratch has *work: the buffers of one batch, a few hundred KiB.
	scratch sync.Pool
}

type work struct {
	rows   []store.Row
	bad    []sluice.BadMessage
	stream []byte
}

// NewSensor returns the sink for the facility of that number (see Facility).
func NewSensor(pool *pgxpool.Pool, facility int32, c SensorConfig) *Sensor {
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	return &Sensor{
		pool: pool, facility: facility, timeout: c.Timeout,
		rules:   store.NewRules(c.EpochMin, c.EpochAhead),
		scratch: sync.Pool{New: func() any { return new(work) }},
	}
}

// Handle implements sluice.Handler.
func (s *Sensor) Handle(ctx context.Context, b *sluice.Batch) error {
	w := s.scratch.Get().(*work)
	defer s.release(w)
	w.rows, w.bad = s.rules.Sift(b, w.rows[:0])
	stored, err := s.store(ctx, b.ID, w)
	if err != nil {
		return Failure(b.Attempt, fmt.Errorf("store readings: %w", err))
	}
	return store.DecodeOutcome(stored)
}

// release gives the buffers back without what they point to.
func (s *Sensor) release(w *work) {
	clear(w.rows)
	w.bad = nil
	s.scratch.Put(w)
}

// store applies the batch and returns its outcome, encoded.
func (s *Sensor) store(ctx context.Context, id sluice.BatchID, w *work) ([]byte, error) {
	conn, err := s.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release() // a connection left in a transaction is closed
	stored, err := s.direct(ctx, conn.Conn(), id, w)
	if c, _ := classify(err); c == data {
		return newCareful(s, conn.Conn(), w).store(ctx, id, w.rows)
	}
	return stored, err
}

func (s *Sensor) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.pool.Acquire(ctx)
}

// direct stores all rows by one COPY.
func (s *Sensor) direct(ctx context.Context, conn *pgx.Conn, id sluice.BatchID, w *work) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	encoded, err := store.EncodeOutcome(0, w.bad)
	if err != nil {
		return nil, err
	}
	last, claimed, err := s.begin(ctx, conn, id, len(w.rows), encoded)
	switch {
	case err != nil:
		return nil, err
	case !claimed:
		return replay(ctx, conn, id)
	}
	w.stream = appendCopy(w.stream[:0], s.facility, last-int64(len(w.rows))+1, w.rows)
	tag, err := runCopy(ctx, conn, copySensor+"; COMMIT", w.stream)
	if err != nil {
		w.stream = nil // see runCopy
	}
	return encoded, committed(tag, err)
}

// begin opens the transaction, takes n entry ids, of which last is the highest,
// and claims the batch id; claimed is false when the batch was applied before.
// The order of the locks, counter before batch, is that of careful.
func (s *Sensor) begin(ctx context.Context, conn *pgx.Conn, id sluice.BatchID, n int, encoded []byte) (last int64, claimed bool, err error) {
	var b pgx.Batch
	b.Queue(begin)
	b.Queue(`UPDATE sluice.entry_counter SET last_id = last_id + $2 WHERE facility_id = $1 RETURNING last_id`, s.facility, n).
		QueryRow(func(r pgx.Row) error { return s.scanCounter(r, &last) })
	b.Queue(claimBatch, [16]byte(id), s.facility, encoded).
		Exec(func(tag pgconn.CommandTag) error { claimed = tag.RowsAffected() == 1; return nil })
	err = conn.SendBatch(ctx, &b).Close()
	return last, claimed, err
}

func (s *Sensor) scanCounter(r pgx.Row, last *int64) error {
	err := r.Scan(last)
	if errors.Is(err, pgx.ErrNoRows) {
		return sluice.Halt(fmt.Errorf("facility %d has no row in sluice.entry_counter; restart the router to register it", s.facility))
	}
	return err
}

// replay reads the outcome of a batch that was applied before and ends the
// transaction, in which nothing else happened.
func replay(ctx context.Context, conn *pgx.Conn, id sluice.BatchID) ([]byte, error) {
	stored, ok, err := storedOutcome(ctx, conn, id)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil {
		return nil, err
	}
	if !ok {
		return nil, errors.New("applied batch was removed while it was read")
	}
	return stored, nil
}

// committed returns nil when the statement that tag belongs to was a COMMIT that
// did commit: in a failed transaction the server answers ROLLBACK.
func committed(tag pgconn.CommandTag, err error) error {
	if err == nil && tag.String() != "COMMIT" {
		return fmt.Errorf("transaction ended by %s instead of COMMIT", tag)
	}
	return err
}
