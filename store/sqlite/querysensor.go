package sqlite

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/ncruces/go-sqlite3"

	"sluice/gen/sluicev1"
	"sluice/store"
)

const (
	// sensorChunk is the most rows of a chunk.
	sensorChunk = 1000
	// sensorPage is the most rows that one call of Page returns.
	sensorPage = 4 * sensorChunk
	// sortedPage is how many rows are read at once in order of devices, where each look
	// costs a look at every row: about 6 MiB of them.
	sortedPage = 100_000
)

// SensorReader reads the rows of sensor page by page, without a Last those that were
// stored when its first page was read. Between two calls of Page it holds neither
// connection nor snapshot. Rows are only ever added, so the pages together are exact.
// Not safe for concurrent use.
type SensorReader struct {
	store   *Store
	q       store.SensorQuery
	devices string // of q, as json_each reads them
	left    []span // nil before the first page
	names   map[string]string
	ahead   []*sluicev1.SensorChunk // read and not given yet
}

// span is what is left of a facility: the entries behind entry up to last; in order of
// devices what lies behind device and epoch.
type span struct {
	facility    int32
	entry, last int64
	device      string
	epoch       int64
	bounded     bool // entry and last lie around the time range already
}

// Sensor returns a reader of the rows that q chooses. It reads nothing yet.
func (q *Queries) Sensor(query store.SensorQuery) *SensorReader {
	if query.From == 0 {
		query.From = math.MinInt64
	}
	if query.To == 0 {
		query.To = math.MaxInt64
	}
	return &SensorReader{store: q.store, q: query, devices: list(query.Devices), names: map[string]string{}}
}

// Page returns the next rows, at most limit (1 or more) and a few thousand, in chunks of
// at most 1000 rows of one facility, without its name. No chunk means that there are no
// more rows. The chunks are the caller's.
func (r *SensorReader) Page(ctx context.Context, limit int64) ([]*sluicev1.SensorChunk, error) {
	if len(r.ahead) == 0 {
		if err := r.store.read(ctx, func(c *conn) error { return r.fill(c, limit) }); err != nil {
			return nil, fmt.Errorf("read readings: %w", err)
		}
	}
	return r.give(limit), nil
}

// give takes rows off those that were read.
func (r *SensorReader) give(limit int64) (page []*sluicev1.SensorChunk) {
	room := int(min(limit, sensorPage))
	for len(r.ahead) > 0 && room > 0 {
		c := r.ahead[0]
		if n := len(c.EntryId); n > room {
			page = append(page, cutOff(c, room))
			return page
		}
		room -= len(c.EntryId)
		page, r.ahead = append(page, c), r.ahead[1:]
	}
	return page
}

// cutOff takes the first n rows off c.
func cutOff(c *sluicev1.SensorChunk, n int) *sluicev1.SensorChunk {
	first := &sluicev1.SensorChunk{
		FacilityId: c.FacilityId, EntryId: c.EntryId[:n:n], Device: c.Device[:n:n], Temp: c.Temp[:n:n], Rh: c.Rh[:n:n], Epoch: c.Epoch[:n:n],
	}
	c.EntryId, c.Device, c.Temp, c.Rh, c.Epoch = c.EntryId[n:], c.Device[n:], c.Temp[n:], c.Rh[n:], c.Epoch[n:]
	return first
}

// fill reads until there are rows, or no more.
func (r *SensorReader) fill(c *conn, limit int64) error {
	if r.left == nil {
		if err := r.open(c); err != nil {
			return err
		}
	}
	for len(r.left) > 0 && len(r.ahead) == 0 {
		s := &r.left[0]
		if err := r.bound(c, s); err != nil {
			return err
		}
		more, err := r.advance(c, s, limit)
		if err != nil {
			return err
		}
		if !more {
			r.left = r.left[1:]
		}
	}
	return nil
}

// open notes where each facility ends.
func (r *SensorReader) open(c *conn) error {
	r.left = []span{}
	for _, id := range slices.Sorted(slices.Values(r.q.Facilities)) {
		s := span{facility: id, entry: r.q.After[id], last: r.q.Last[id], epoch: math.MinInt64}
		if r.q.Last == nil {
			if _, err := c.row(`SELECT last_id FROM facility WHERE facility_id = ?`, []any{id}, func(row *sqlite3.Stmt) { s.last = row.ColumnInt64(0) }); err != nil {
				r.left = nil
				return err
			}
		}
		r.left = append(r.left, s)
	}
	return nil
}

func (r *SensorReader) timed() bool { return r.q.From > math.MinInt64 || r.q.To < math.MaxInt64 }

// bound turns the time range into a range of entries, once for each facility, so that
// what comes long before it is not looked at.
func (r *SensorReader) bound(c *conn, s *span) error {
	if s.bounded || r.q.ByDevice || !r.timed() {
		return nil
	}
	low, high := int64(0), int64(-1)
	_, err := c.row(`SELECT coalesce(min(entry_id), 0), coalesce(max(entry_id), -1) FROM sensor INDEXED BY sensor_reading
		WHERE epoch >= ? AND epoch < ? AND facility_id = ?`, []any{r.q.From, r.q.To, s.facility}, func(row *sqlite3.Stmt) {
		low, high = row.ColumnInt64(0), row.ColumnInt64(1)
	})
	s.entry, s.last, s.bounded = max(s.entry, low-1), min(s.last, high), true
	return err
}

// The plus keeps SQLite from the index on epoch, whose order would have to be sorted.
const (
	selectSensor = `SELECT entry_id, device, temp, rh, epoch FROM sensor
		WHERE facility_id = ?1 AND entry_id > ?2 AND entry_id <= ?3 AND +epoch >= ?4 AND +epoch < ?5
		AND (?7 = '[]' OR device IN (SELECT value FROM json_each(?7)))`
	byEntry  = selectSensor + ` ORDER BY entry_id LIMIT ?6`
	byDevice = selectSensor + ` AND (device, epoch) > (?8, ?9) ORDER BY device, epoch LIMIT ?6`
)

// advance reads rows of a span; more is false when there are no more.
func (r *SensorReader) advance(c *conn, s *span, limit int64) (more bool, err error) {
	most := min(limit, sensorPage)
	sql, args := byEntry, []any{s.facility, s.entry, s.last, r.q.From, r.q.To, most, r.devices}
	if r.q.ByDevice {
		most = min(limit, sortedPage)
		args[5] = most
		sql, args = byDevice, append(args, s.device, s.epoch)
	}
	n := int64(0)
	err = c.each(sql, args, func(row *sqlite3.Stmt) error {
		n++
		r.add(s, row)
		return nil
	})
	return n == most, err
}

// add appends a row to those that were read, and moves the span behind it.
func (r *SensorReader) add(s *span, row *sqlite3.Stmt) {
	c := r.chunk(s.facility)
	entry, device, epoch := row.ColumnInt64(0), r.name(row.ColumnRawText(1)), row.ColumnInt64(4)
	c.EntryId, c.Device, c.Epoch = append(c.EntryId, entry), append(c.Device, device), append(c.Epoch, epoch)
	c.Temp, c.Rh = append(c.Temp, float32(row.ColumnFloat(2))), append(c.Rh, float32(row.ColumnFloat(3)))
	if r.q.ByDevice {
		s.device, s.epoch = device, epoch
	} else {
		s.entry = entry
	}
}

// chunk is the one that the next row goes into.
func (r *SensorReader) chunk(facility int32) *sluicev1.SensorChunk {
	if n := len(r.ahead); n > 0 && r.ahead[n-1].FacilityId == facility && len(r.ahead[n-1].EntryId) < sensorChunk {
		return r.ahead[n-1]
	}
	c := &sluicev1.SensorChunk{FacilityId: facility}
	r.ahead = append(r.ahead, c)
	return c
}

// maxNames bounds the memory of one reader.
const maxNames = 1 << 15

// name holds each device's name once, so that a row allocates none.
func (r *SensorReader) name(b []byte) string {
	if s, ok := r.names[string(b)]; ok { // does not allocate
		return s
	}
	if len(r.names) >= maxNames {
		clear(r.names)
	}
	s := string(b)
	r.names[s] = s
	return s
}

// counts reads an object of numbers; nil for none.
