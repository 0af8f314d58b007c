package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ncruces/go-sqlite3"

	"sluice"
	"sluice/store"
)

// Dead is the sink of dead letters, the handler of sluice.QueueDead: it writes each to
// the table dead_letter, exactly once. Text that is not UTF-8, and NUL, is replaced by
// U+FFFD; the payload is kept as it was. Safe for concurrent use.
type Dead struct {
	store    *Store
	facility int32
}

// NewDead returns the sink for the facility of that number (see Facility).
func NewDead(s *Store, facility int32) *Dead { return &Dead{store: s, facility: facility} }

// Handle implements sluice.Handler. It returns nil, a *sluice.BatchError whose bad
// messages have store.ReasonUnstorable, a sluice.Halt or an error to be tried again.
func (d *Dead) Handle(ctx context.Context, b *sluice.Batch) error {
	letters, bad := store.DecodeDead(b)
	stored, err := d.store.once(ctx, b.ID, func(c *conn) error {
		now := time.Now().UnixMicro()
		for i := range letters {
			if err := d.insert(c, &letters[i], now); err != nil {
				return err
			}
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

// insert adds a letter. A message that comes again in another batch keeps its first one.
func (d *Dead) insert(c *conn, l *sluice.DeadLetter, now int64) error {
	var batch, index any = []byte(nil), []byte(nil) // NULL: refused before it was in a batch
	if l.Batch != (sluice.BatchID{}) {
		batch, index = l.Batch[:], l.Index
	}
	if l.Payload == nil {
		l.Payload = []byte{}
	}
	_, err := c.exec(`INSERT INTO dead_letter
		(facility_id, batch_id, batch_index, route, device, topic, payload, received, reason, code, detail, at, stored_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		d.facility, batch, index, store.Text(l.Route), store.Text(l.Device), store.Text(l.Topic), l.Payload, micros(l.Received),
		store.Text(l.Reason), store.Text(l.Code), store.Text(l.Detail), micros(l.At), now)
	return err
}

// micros is a time as the tables have it.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// when is micros backwards.
func when(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros)
}

const (
	selectDead = `SELECT d.id, coalesce(f.name, ''), d.batch_id, coalesce(d.batch_index, 0), d.route, d.device, d.topic, d.payload,
		d.received, d.reason, d.code, d.detail, d.at
		FROM dead_letter d LEFT JOIN facility f USING (facility_id)`
	matchDead = ` WHERE (?1 = '' OR f.name = ?1) AND (?2 = '' OR d.route = ?2) AND (?3 = '' OR d.device = ?3) AND (?4 = '' OR d.reason = ?4)
		AND d.at >= ?5 AND (?6 = 0 OR d.at < ?6) AND (?7 = 0 OR d.id < ?7) ORDER BY d.id DESC LIMIT ?8`
)

// ListDead returns the dead letters that match, newest first, at most limit (1 or more).
// To go on, call it again with before as the ID of the last one; 0 begins with the
// newest.
func (s *Store) ListDead(ctx context.Context, f store.DeadFilter, before int64, limit int) ([]store.StoredDead, error) {
	return s.deadLetters(ctx, selectDead+matchDead, store.Text(f.Facility), store.Text(f.Route), store.Text(f.Device), store.Text(f.Reason),
		micros(f.Since), micros(f.Until), before, limit)
}

// GetDead returns the dead letters with these ids, in the order of their ids; ids that
// do not exist are left out.
func (s *Store) GetDead(ctx context.Context, ids ...int64) ([]store.StoredDead, error) {
	return s.deadLetters(ctx, selectDead+` WHERE d.id IN (SELECT value FROM json_each(?)) ORDER BY d.id`, list(ids))
}

func (s *Store) deadLetters(ctx context.Context, sql string, args ...any) (letters []store.StoredDead, err error) {
	err = s.read(ctx, func(c *conn) error {
		return c.each(sql, args, func(r *sqlite3.Stmt) error {
			letters = append(letters, scanDead(r))
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	return letters, nil
}

func scanDead(r *sqlite3.Stmt) (d store.StoredDead) {
	d.ID, d.Facility = r.ColumnInt64(0), r.ColumnText(1)
	copy(d.Batch[:], r.ColumnRawBlob(2))
	d.Index, d.Route, d.Device, d.Topic = r.ColumnInt(3), r.ColumnText(4), r.ColumnText(5), r.ColumnText(6)
	d.Payload, d.Received = r.ColumnBlob(7, []byte{}), when(r.ColumnInt64(8))
	d.Reason, d.Code, d.Detail, d.At = r.ColumnText(9), r.ColumnText(10), r.ColumnText(11), when(r.ColumnInt64(12))
	return d
}

// DropDead removes the dead letters with these ids and returns how many there were.
func (s *Store) DropDead(ctx context.Context, ids ...int64) (n int64, err error) {
	err = s.drain(ctx, func(c *conn) (err error) {
		n, err = c.exec(`DELETE FROM dead_letter WHERE id IN (SELECT value FROM json_each(?))`, list(ids))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("drop dead letters: %w", err)
	}
	return n, nil
}

// list is a list as json_each reads it.
func list[T int64 | int32 | string](all []T) string {
	if len(all) == 0 {
		return "[]"
	}
	text, err := json.Marshal(all)
	if err != nil { // cannot be: numbers and texts
		return "[]"
	}
	return string(text)
}
