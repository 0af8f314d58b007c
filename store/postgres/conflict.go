package postgres

import (
	"context"
	"fmt"
	"slices"

	"sluice"
	"sluice/store"
)

// Answers of sluice.compare_readings.
const (
	notStored  = 0
	sameValues = 1
)

// compare returns the rows whose reading is not stored yet, and judges the
// others. The comparison happens in the database because the writer may not
// read what is stored.
func (c *careful) compare(ctx context.Context, rows []store.Row) (fresh []store.Row, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.sink.timeout)
	defer cancel()
	devices, epochs := make([]string, len(rows)), make([]int64, len(rows))
	temps, rhs := make([]float32, len(rows)), make([]float32, len(rows))
	for i := range rows {
		r := &rows[i]
		devices[i], epochs[i], temps[i], rhs[i] = string(r.Device), r.Epoch, r.Temp, r.RH
	}
	var verdicts []int16
	err = c.conn.QueryRow(ctx, "SELECT sluice.compare_readings($1, $2, $3, $4, $5)",
		c.sink.facility, devices, epochs, temps, rhs).Scan(&verdicts)
	if err != nil {
		return nil, err
	}
	if len(verdicts) != len(rows) {
		return nil, fmt.Errorf("compare_readings gave %d answers for %d readings", len(verdicts), len(rows))
	}
	for i, r := range rows {
		if verdicts[i] == notStored {
			fresh = append(fresh, r)
			continue
		}
		c.judge(r, verdicts[i] == sameValues)
	}
	return fresh, nil
}

// judge settles a reading whose key belongs to a row: it is that reading sent
// twice, or another one.
func (c *careful) judge(r store.Row, same bool) {
	if same {
		c.repeated++
		return
	}
	c.bad = append(c.bad, sluice.BadMessage{
		Index: r.Index, Reason: sluice.ReasonConflict, Device: string(r.Device),
		Detail: fmt.Sprintf("a reading of epoch %d with other values is stored", r.Epoch),
	})
}

// readingKey is the unique key of data.sensor within a facility.
type readingKey struct {
	device string
	epoch  int64
}

// settle stores rows, none of whose keys is stored yet. Of several with one key
// the first is stored and the others are judged by it; if the database refuses
// the first, the next takes its place.
func (c *careful) settle(ctx context.Context, rows []store.Row) error {
	for len(rows) > 0 {
		winners := make(map[readingKey]store.Row, len(rows))
		var first, others []store.Row
		for _, r := range rows {
			key := readingKey{string(r.Device), r.Epoch}
			if _, taken := winners[key]; taken {
				others = append(others, r)
				continue
			}
			winners[key] = r
			first = append(first, r)
		}
		refused := func(r store.Row) { delete(winners, readingKey{string(r.Device), r.Epoch}) }
		if err := c.insert(ctx, first, refused); err != nil {
			return err
		}
		rows = slices.DeleteFunc(others, func(r store.Row) bool {
			w, stored := winners[readingKey{string(r.Device), r.Epoch}]
			if stored {
				c.judge(r, w.Temp == r.Temp && w.RH == r.RH)
			}
			return stored
		})
	}
	return nil
}
