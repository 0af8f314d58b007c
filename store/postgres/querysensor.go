package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/gen/sluicev1"
	"sluice/store"
)

const (
	// sensorChunk is the most rows of a chunk.
	sensorChunk = 1000
	// sensorPage is the most rows that one call of Page reads: enough that the
	// round trip counts little, few enough that many slow readers fit in memory
	// (about 64 bytes a row). Half as many cost an eighth more per row.
	sensorPage = 4 * sensorChunk
)

// SensorReader reads the rows of data.sensor page by page, without a Last those
// that were stored when its first page was read. Each page is a statement of its
// own: between two calls of Page it holds neither connection nor snapshot. Rows are
// only ever added, so the pages together are exact. Not safe for concurrent use.
type SensorReader struct {
	pool *pgxpool.Pool
	q    store.SensorQuery
	// spans are what is left to read, in order; nil before the first page.
	spans []span
	names names
	// given are the chunks of the last page, which the next one fills again.
	given []*sluicev1.SensorChunk
}

// span is a part of the rows that one statement can read on: the entries of a
// facility after a key, or of one of its devices.
type span struct {
	facility int32
	// last is the highest entry id to read.
	last int64
	// entry is the last one that was looked at in order of entry; in order of device
	// that of After, and last when there are no more.
	entry int64
	// device and epoch are of the last row read, in order of device.
	device string
	epoch  int64
	// fixed: device is the only one.
	fixed bool
	// bounded: entry and last lie around the time range already.
	bounded bool
}

// Sensor returns a reader of the rows that q chooses. It reads nothing yet.
func (q *Queries) Sensor(query store.SensorQuery) *SensorReader {
	if query.From == 0 {
		query.From = math.MinInt64
	}
	if query.To == 0 {
		query.To = math.MaxInt64
	}
	query.Devices = slices.Compact(slices.Sorted(slices.Values(query.Devices)))
	return &SensorReader{pool: q.pool, q: query, names: names{}}
}

// Page returns the next rows, at most limit (1 or more) and a few thousand, in
// chunks of at most 1000 rows of one facility, without its name. No chunk means
// that there are no more rows. The chunks are the caller's until the next call of
// Page.
func (r *SensorReader) Page(ctx context.Context, limit int64) ([]*sluicev1.SensorChunk, error) {
	if r.spans == nil {
		if err := r.open(ctx); err != nil {
			return nil, fmt.Errorf("read the last entries: %w", err)
		}
	}
	c := collector{left: int(min(limit, sensorPage)), names: r.names, free: r.given}
	for len(r.spans) > 0 && c.left > 0 {
		if err := r.read(ctx, &c); err != nil {
			return nil, fmt.Errorf("read readings: %w", err)
		}
	}
	r.given = append(slices.Clip(c.chunks), c.free...)
	return c.chunks, nil
}

const selectLast = `
SELECT f.id, coalesce((SELECT max(s.entry_id) FROM data.sensor s WHERE s.facility_id = f.id), 0)
FROM unnest($1::int[]) AS f(id) ORDER BY f.id`

// open notes where each facility ends.
func (r *SensorReader) open(ctx context.Context) error {
	r.spans = []span{}
	if r.q.Last != nil {
		for _, id := range slices.Sorted(slices.Values(r.q.Facilities)) {
			r.add(id, r.q.Last[id])
		}
		return nil
	}
	rows, _ := r.pool.Query(ctx, selectLast, r.q.Facilities)
	var id int32
	var last int64
	_, err := pgx.ForEachRow(rows, []any{&id, &last}, func() error {
		r.add(id, last)
		return nil
	})
	if err != nil {
		r.spans = nil
	}
	return err
}

func (r *SensorReader) add(facility int32, last int64) {
	s := span{facility: facility, entry: r.q.After[facility], last: last, epoch: max(r.q.From, math.MinInt64+1) - 1}
	if !r.q.ByDevice || len(r.q.Devices) == 0 {
		r.spans = append(r.spans, s)
		return
	}
	s.fixed = true
	for _, s.device = range r.q.Devices {
		r.spans = append(r.spans, s)
	}
}

// read appends rows of the first span to c, and drops the span when it has no
// more.
func (r *SensorReader) read(ctx context.Context, c *collector) error {
	s := &r.spans[0]
	if err := r.bound(ctx, s); err != nil {
		return err
	}
	if s.entry < s.last {
		end := s.end()
		sql, args := r.statement(s, end, c.left)
		rows, _ := r.pool.Query(ctx, sql, append([]any{planned}, args...)...)
		chunk, err := c.collect(rows, s.facility)
		if err != nil {
			return err
		}
		r.move(s, chunk)
		if c.left > 0 { // no more rows up to there
			s.entry = end
		}
	}
	if s.entry >= s.last {
		r.spans = r.spans[1:]
	}
	return nil
}

// end is the entry up to which the next statement looks. Within a time range it
// looks at a window of entries, whose size the planner knows: otherwise it takes
// the filter for one that hardly a row passes, and starts parallel workers for
// each page.
func (s *span) end() int64 {
	if s.bounded {
		return min(s.last, s.entry+sensorPage)
	}
	return s.last
}

// move puts s behind the last row of chunk; nil is none.
func (r *SensorReader) move(s *span, chunk *sluicev1.SensorChunk) {
	if chunk == nil {
		return
	}
	end := len(chunk.EntryId) - 1
	if !r.q.ByDevice {
		s.entry = chunk.EntryId[end]
		return
	}
	s.device, s.epoch = chunk.Device[end], chunk.Epoch[end]
}

// The planner would look for the lowest entry id by walking the entries until one
// matches; the sum keeps it from that, and the BRIN on epoch finds the range.
const selectRange = `
SELECT coalesce(min(entry_id + 0), 0), coalesce(max(entry_id + 0), -1) FROM data.sensor
WHERE facility_id = $1 AND epoch >= $2 AND epoch < $3`

// bound turns the time range into a range of entries, once for each facility:
// in order of entry a filter on time alone would read every row before the
// first that matches. With devices their index has the time.
func (r *SensorReader) bound(ctx context.Context, s *span) error {
	if s.bounded || r.q.ByDevice || !r.timed() || len(r.q.Devices) > 0 {
		return nil
	}
	var low, high int64
	err := r.pool.QueryRow(ctx, selectRange, planned, s.facility, r.q.From, r.q.To).Scan(&low, &high)
	if err != nil {
		return err
	}
	s.entry, s.last, s.bounded = max(s.entry, low-1), min(s.last, high), true
	return nil
}

func (r *SensorReader) timed() bool { return r.q.From > math.MinInt64 || r.q.To < math.MaxInt64 }

const (
	selectSensor = "SELECT entry_id, device, temp, rh, epoch FROM data.sensor WHERE facility_id = $1 AND entry_id <= $2"

	afterEntry  = selectSensor + " AND entry_id > $3"
	ofDevices   = " AND device = ANY($5)"
	byEntry     = " ORDER BY entry_id LIMIT $4"
	afterEpoch  = selectSensor + " AND device = $3 AND epoch > $5 AND epoch < $6 ORDER BY epoch LIMIT $4"
	afterDevice = selectSensor + " AND (device, epoch) > ($3, $5) AND epoch >= $7 AND epoch < $6 ORDER BY device, epoch LIMIT $4"
)

// statement returns the query for the next rows of a span.
func (r *SensorReader) statement(s *span, end int64, limit int) (sql string, args []any) {
	switch {
	case s.fixed:
		return afterEpoch, []any{s.facility, end, s.device, limit, s.epoch, r.q.To}
	case r.q.ByDevice:
		return afterDevice, []any{s.facility, end, s.device, limit, s.epoch, r.q.To, r.q.From}
	}
	sql, args = afterEntry, []any{s.facility, end, s.entry, limit}
	// The sum keeps the planner from the BRIN and a sort: in the window most rows match.
	timed := " AND epoch + 0 >= $5 AND epoch + 0 < $6"
	if len(r.q.Devices) > 0 { // their index has the time
		sql, args = sql+ofDevices, append(args, r.q.Devices)
		timed = " AND epoch >= $6 AND epoch < $7"
	}
	if r.timed() {
		sql, args = sql+timed, append(args, r.q.From, r.q.To)
	}
	return sql + byEntry, args
}

// collector puts rows into chunks.
type collector struct {
	left   int // rows still wanted
	chunks []*sluicev1.SensorChunk
	free   []*sluicev1.SensorChunk // to be filled again
	names  names
}

// collect takes every row of rows, closes it, and returns the chunk that holds the
// last one, nil for none.
func (c *collector) collect(rows pgx.Rows, facility int32) (chunk *sluicev1.SensorChunk, err error) {
	defer rows.Close()
	for rows.Next() {
		if chunk == nil || len(chunk.EntryId) == sensorChunk {
			chunk = c.chunk(facility)
		}
		// Raw: the integers and floats come as big-endian bytes, which costs a fifth
		// of Scan.
		v := rows.RawValues()
		chunk.EntryId = append(chunk.EntryId, int64(binary.BigEndian.Uint64(v[0])))
		chunk.Device = append(chunk.Device, c.names.get(v[1]))
		chunk.Temp = append(chunk.Temp, math.Float32frombits(binary.BigEndian.Uint32(v[2])))
		chunk.Rh = append(chunk.Rh, math.Float32frombits(binary.BigEndian.Uint32(v[3])))
		chunk.Epoch = append(chunk.Epoch, int64(binary.BigEndian.Uint64(v[4])))
		c.left--
	}
	return chunk, rows.Err()
}

// chunk returns the last chunk if it has room for rows of this facility, else a
// new one.
func (c *collector) chunk(facility int32) *sluicev1.SensorChunk {
	if n := len(c.chunks); n > 0 && c.chunks[n-1].FacilityId == facility && len(c.chunks[n-1].EntryId) < sensorChunk {
		return c.chunks[n-1]
	}
	chunk := c.empty()
	chunk.FacilityId = facility
	c.chunks = append(c.chunks, chunk)
	return chunk
}

// empty returns a chunk without rows. Those of an earlier page are used again: what
// a row costs is largely what it leaves to the garbage collector.
func (c *collector) empty() *sluicev1.SensorChunk {
	if len(c.free) > 0 {
		chunk := c.free[0]
		c.free = c.free[1:]
		chunk.Facility, chunk.EntryId, chunk.Device = "", chunk.EntryId[:0], chunk.Device[:0]
		chunk.Temp, chunk.Rh, chunk.Epoch = chunk.Temp[:0], chunk.Rh[:0], chunk.Epoch[:0]
		return chunk
	}
	n := min(c.left, sensorChunk)
	return &sluicev1.SensorChunk{
		EntryId: make([]int64, 0, n), Device: make([]string, 0, n), Epoch: make([]int64, 0, n),
		Temp: make([]float32, 0, n), Rh: make([]float32, 0, n),
	}
}

// names holds each device's name once, so that a row allocates none.
type names map[string]string

// maxNames bounds the memory of one reader: 4 MiB or less.
const maxNames = 1 << 15

func (n names) get(b []byte) string {
	if s, ok := n[string(b)]; ok { // does not allocate
		return s
	}
	if len(n) >= maxNames {
		clear(n)
	}
	s := string(b)
	n[s] = s
	return s
}
