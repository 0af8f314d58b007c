package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice"
	"sluice/store"
)

// Dead is the sink of dead letters, the handler of sluice.QueueDead: it writes
// each to sluice.dead_letter, exactly once. Text that PostgreSQL cannot hold
// (NUL, what is not UTF-8) is replaced by U+FFFD, so that nothing a device sent
// is refused; the payload is kept as it was. Safe for concurrent use.
type Dead struct {
	pool     *pgxpool.Pool
	facility int32
}

// NewDead returns the sink for the facility of that number (see Facility).
func NewDead(pool *pgxpool.Pool, facility int32) *Dead {
	return &Dead{pool: pool, facility: facility}
}

// A message that comes again in another batch keeps its first letter.
const insertDead = `
INSERT INTO sluice.dead_letter
    (facility_id, batch_id, batch_index, route, device, topic, payload, received, reason, code, detail, at)
SELECT $1::int, * FROM unnest(
    $2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[], $7::bytea[],
    $8::timestamptz[], $9::text[], $10::text[], $11::text[], $12::timestamptz[])
ON CONFLICT DO NOTHING`

// Handle implements sluice.Handler. It returns nil, a *sluice.BatchError whose
// bad messages have store.ReasonUnstorable, a sluice.Halt or an error to be tried
// again.
func (d *Dead) Handle(ctx context.Context, b *sluice.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, DefaultTimeout)
	defer cancel()
	letters, bad := store.DecodeDead(b)
	var columns deadColumns
	for i := range letters {
		columns.add(&letters[i])
	}
	stored, err := once(ctx, d.pool, b.ID, &d.facility, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, insertDead, columns.arguments(d.facility)...); err != nil {
			return err
		}
		if len(bad) > 0 {
			return &sluice.BatchError{Bad: bad}
		}
		return nil
	})
	if err != nil {
		return Failure(b.Attempt, fmt.Errorf("store dead letters: %w", err))
	}
	return store.DecodeOutcome(stored)
}

// deadColumns are the columns of dead_letter from batch_id on, one element per
// letter.
type deadColumns struct {
	batch    []*[16]byte // nil: refused before it was in a batch
	index    []*int32
	route    []string
	device   []string
	topic    []string
	payload  [][]byte
	received []time.Time
	reason   []string
	code     []string
	detail   []string
	at       []time.Time
}

func (c *deadColumns) arguments(facility int32) []any {
	return []any{facility, c.batch, c.index, c.route, c.device, c.topic, c.payload, c.received, c.reason, c.code, c.detail, c.at}
}

func (c *deadColumns) add(l *sluice.DeadLetter) {
	var batch *[16]byte
	var index *int32
	if l.Batch != (sluice.BatchID{}) {
		id, i := [16]byte(l.Batch), int32(l.Index)
		batch, index = &id, &i
	}
	if l.Payload == nil {
		l.Payload = []byte{} // not null
	}
	c.batch, c.index = append(c.batch, batch), append(c.index, index)
	c.route, c.device = append(c.route, store.Text(l.Route)), append(c.device, store.Text(l.Device))
	c.topic, c.payload = append(c.topic, store.Text(l.Topic)), append(c.payload, l.Payload)
	c.received, c.at = append(c.received, l.Received), append(c.at, l.At)
	c.reason, c.code = append(c.reason, store.Text(l.Reason)), append(c.code, store.Text(l.Code))
	c.detail = append(c.detail, store.Text(l.Detail))
}
