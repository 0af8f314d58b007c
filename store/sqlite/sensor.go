package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ncruces/go-sqlite3"

	"sluice"
	"sluice/store"
)

// SensorConfig has settings of a Sensor; the zero value is right for most.
type SensorConfig struct {
	// EpochMin is the earliest time of a reading that is accepted. Default 2000-01-01
	// UTC.
	EpochMin time.Time
	// EpochAhead is how far a reading's time may lie after the time at which its
	// message was received. Default 24 h.
	EpochAhead time.Duration
}

// Sensor is the sink of the sensor route: a sluice.Handler that decodes msg.SensorData
// and adds one row of the table sensor per reading, exactly once. A batch is one
// transaction: entry ids, rows and the batch's id with its outcome.
//
// Handle returns nil, a *sluice.BatchError, a sluice.Halt or an error to be tried again.
// Reasons: decode, device_name, identity, not_finite, epoch, conflict. Safe for
// concurrent use; batches take turns.
type Sensor struct {
	store    *Store
	facility int32
	rules    store.Rules
}

// NewSensor returns the sink for the facility of that number (see Facility).
func NewSensor(s *Store, facility int32, c SensorConfig) *Sensor {
	return &Sensor{store: s, facility: facility, rules: store.NewRules(c.EpochMin, c.EpochAhead)}
}

// Handle implements sluice.Handler.
func (h *Sensor) Handle(ctx context.Context, b *sluice.Batch) error {
	rows, bad := h.rules.Sift(b, make([]store.Row, 0, len(b.Messages)))
	stored, err := h.store.once(ctx, b.ID, func(c *conn) error { return h.insert(c, rows, bad) })
	if err != nil {
		return Failure(b.Attempt, fmt.Errorf("store readings: %w", err))
	}
	return store.DecodeOutcome(stored)
}

// insert adds rows and returns what became of the batch: as if none of them were there,
// and if that is refused, those that are not.
func (h *Sensor) insert(c *conn, rows []store.Row, bad []sluice.BadMessage) error {
	defer func() { h.store.source = h.store.source[:0] }()
	last, err := h.last(c)
	if err != nil {
		return err
	}
	h.expose(rows, last)
	n, err := h.copy(c)
	result := &sluice.BatchError{Bad: bad}
	if errors.Is(err, sqlite3.CONSTRAINT_UNIQUE) {
		fresh, wrong := h.compare(c, rows, result)
		if wrong != nil {
			return wrong
		}
		h.expose(fresh, last)
		n, err = h.copy(c)
	}
	if err == nil {
		_, err = c.exec(`UPDATE facility SET last_id = ? WHERE facility_id = ?`, last+n, h.facility)
	}
	if err == nil && (result.Duplicates > 0 || len(result.Bad) > 0) {
		return result
	}
	return err
}

// last is the highest entry id.
func (h *Sensor) last(c *conn) (last int64, err error) {
	found, err := c.row(`SELECT last_id FROM facility WHERE facility_id = ?`, []any{h.facility}, func(s *sqlite3.Stmt) { last = s.ColumnInt64(0) })
	if err == nil && !found {
		err = sluice.Halt(fmt.Errorf("facility %d is not in the file; restart the process to register it", h.facility))
	}
	return last, err
}

// expose makes rows the virtual table, with the entry ids behind last.
func (h *Sensor) expose(rows []store.Row, last int64) {
	h.store.source = h.store.source[:0]
	for i := range rows {
		h.store.source = append(h.store.source, entry{&rows[i], last + 1 + int64(i)})
	}
}

// copy inserts all of the virtual table or nothing.
func (h *Sensor) copy(c *conn) (n int64, err error) {
	if len(h.store.source) == 0 {
		return 0, nil
	}
	return c.exec(`INSERT INTO sensor (facility_id, entry_id, device, temp, rh, epoch)
		SELECT ?, entry_id, device, temp, rh, epoch FROM incoming`, h.facility)
}

// readingKey is the unique key of a reading within a facility.
type readingKey struct {
	device string
	epoch  int64
}

// values are those of a reading.
type values struct{ temp, rh float32 }

// compare returns the rows whose reading is not stored yet, of several with one key the
// first, and judges the others.
func (h *Sensor) compare(c *conn, rows []store.Row, result *sluice.BatchError) (fresh []store.Row, err error) {
	taken := make(map[readingKey]values, len(rows))
	err = c.each(`SELECT i.place, s.temp, s.rh FROM incoming i CROSS JOIN sensor s
		ON s.epoch = i.epoch AND s.device = i.device AND s.facility_id = ?`, []any{h.facility}, func(s *sqlite3.Stmt) error {
		r := &rows[s.ColumnInt64(0)]
		taken[readingKey{string(r.Device), r.Epoch}] = values{float32(s.ColumnFloat(1)), float32(s.ColumnFloat(2))}
		return nil
	})
	for _, r := range rows {
		key, mine := readingKey{string(r.Device), r.Epoch}, values{r.Temp, r.RH}
		switch there, ok := taken[key]; {
		case !ok:
			taken[key] = mine
			fresh = append(fresh, r)
		case there == mine:
			result.Duplicates++
		default:
			result.Bad = append(result.Bad, conflict(r))
		}
	}
	return fresh, err
}

func conflict(r store.Row) sluice.BadMessage {
	return sluice.BadMessage{
		Index: r.Index, Reason: sluice.ReasonConflict, Device: string(r.Device),
		Detail: fmt.Sprintf("a reading of epoch %d with other values is stored", r.Epoch),
	}
}
