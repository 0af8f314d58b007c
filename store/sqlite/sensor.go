package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strconv"
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
// Reasons: decode, device_name, identity, not_finite, epoch, conflict, data. Safe for
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

// insert adds rows and returns what became of the batch.
func (h *Sensor) insert(c *conn, rows []store.Row, bad []sluice.BadMessage) error {
	defer func() { h.store.source = h.store.source[:0] }()
	last, err := h.last(c)
	if err != nil {
		return err
	}
	result := &sluice.BatchError{Bad: bad}
	n, err := h.add(c, rows, last, result)
	if err == nil {
		_, err = c.exec(`UPDATE facility SET last_id = ? WHERE facility_id = ?`, last+n, h.facility)
	}
	if err == nil && (result.Duplicates > 0 || len(result.Bad) > 0) {
		return result
	}
	return err
}

// add inserts rows behind the entry last and returns how many: all of them as if none
// were there; if that is refused, those that are not; if that is refused too, one by one.
func (h *Sensor) add(c *conn, rows []store.Row, last int64, result *sluice.BatchError) (n int64, err error) {
	n, err = h.copy(c, rows, last)
	if errors.Is(err, sqlite3.CONSTRAINT_UNIQUE) {
		careful := *result
		var fresh []store.Row
		if fresh, err = h.compare(c, rows, &careful); err != nil {
			return 0, err
		}
		if n, err = h.copy(c, fresh, last); err == nil {
			*result = careful
		}
	}
	if refused(err) {
		return h.oneByOne(c, rows, last, result)
	}
	return n, err
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

// copy inserts all rows or nothing.
func (h *Sensor) copy(c *conn, rows []store.Row, last int64) (n int64, err error) {
	h.expose(rows, last)
	if len(rows) == 0 {
		return 0, nil
	}
	n, err = c.exec(`INSERT INTO sensor (facility_id, entry_id, device, temp, rh, epoch)
		SELECT ?, entry_id, device, temp, rh, epoch FROM incoming`, h.facility)
	if errors.Is(err, sqlite3.CONSTRAINT_PRIMARYKEY) {
		err = sluice.Halt(fmt.Errorf("entry %d of facility %d is there already: set last_id of the facility to the highest entry_id that it has: %w", last+1, h.facility, err))
	}
	return n, err
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
		key := readingKey{string(r.Device), r.Epoch}
		if there, ok := taken[key]; ok {
			judge(r, there, result)
			continue
		}
		taken[key] = values{r.Temp, r.RH}
		fresh = append(fresh, r)
	}
	return fresh, err
}

// judge adds to result what becomes of a reading with the key of another.
func judge(r store.Row, there values, result *sluice.BatchError) {
	if there == (values{r.Temp, r.RH}) {
		result.Duplicates++
		return
	}
	result.Bad = append(result.Bad, sluice.BadMessage{
		Index: r.Index, Reason: sluice.ReasonConflict, Device: string(r.Device),
		Detail: fmt.Sprintf("a reading of epoch %d with other values is stored", r.Epoch),
	})
}

// refused tells whether a constraint that is not of these tables, a trigger that an
// operator added, say, refuses a row that is all right otherwise.
func refused(err error) bool {
	return errors.Is(err, sqlite3.CONSTRAINT_TRIGGER) || errors.Is(err, sqlite3.CONSTRAINT_CHECK) || errors.Is(err, sqlite3.CONSTRAINT_NOTNULL) ||
		errors.Is(err, sqlite3.CONSTRAINT_UNIQUE) || errors.Is(err, sqlite3.CONSTRAINT_FOREIGNKEY)
}

// oneByOne inserts rows in their order; those that are refused become bad messages.
func (h *Sensor) oneByOne(c *conn, rows []store.Row, last int64, result *sluice.BatchError) (n int64, err error) {
	for i := range rows {
		_, err := h.copy(c, rows[i:i+1], last+n)
		if err == nil {
			n++
			continue
		}
		if !refused(err) {
			return n, err
		}
		fresh, wrong := h.compare(c, rows[i:i+1], result)
		if wrong != nil {
			return n, wrong
		}
		if len(fresh) > 0 {
			result.Bad = append(result.Bad, data(fresh[0], err))
		}
	}
	return n, nil
}

func data(r store.Row, err error) sluice.BadMessage {
	code, _ := errors.AsType[sqlite3.ExtendedErrorCode](err)
	return sluice.BadMessage{
		Index: r.Index, Reason: sluice.ReasonData, Device: string(r.Device), Code: strconv.Itoa(int(code)), Detail: store.Text(err.Error()),
	}
}
