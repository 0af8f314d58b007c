package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/ncruces/go-sqlite3"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sluice/gen/sluicev1"
	"sluice/store"
)

// Queries answers readers from the file. Nothing is held between two pages. What it
// returns are messages of sluice.v1. Safe for concurrent use.
type Queries struct{ store *Store }

// NewQueries returns the queries on s.
func NewQueries(s *Store) *Queries { return &Queries{store: s} }

// all returns what scan makes of each row of a query.
func all[T any](ctx context.Context, q *Queries, what, sql string, args []any, scan func(*sqlite3.Stmt) T) (found []T, err error) {
	err = q.store.read(ctx, func(c *conn) error {
		return c.each(sql, args, func(s *sqlite3.Stmt) error {
			found = append(found, scan(s))
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return found, nil
}

// pair is a number of a facility and something about it.
type pair[T any] struct {
	id    int32
	value T
}

func mapOf[T any](pairs []pair[T]) map[int32]T {
	m := make(map[int32]T, len(pairs))
	for _, p := range pairs {
		m[p.id] = p.value
	}
	return m
}

// Facilities returns the names of all facilities by their numbers.
func (q *Queries) Facilities(ctx context.Context) (map[int32]string, error) {
	pairs, err := all(ctx, q, "facilities", `SELECT facility_id, name FROM facility`, nil, func(s *sqlite3.Stmt) pair[string] {
		return pair[string]{int32(s.ColumnInt64(0)), s.ColumnText(1)}
	})
	return mapOf(pairs), err
}

// LastEntries returns the highest entry id of each facility, by number, 0 for one
// without rows. Whoever reads up to an id that this returned misses none.
func (q *Queries) LastEntries(ctx context.Context) (map[int32]int64, error) {
	pairs, err := all(ctx, q, "entry counters", `SELECT facility_id, last_id FROM facility`, nil, func(s *sqlite3.Stmt) pair[int64] {
		return pair[int64]{int32(s.ColumnInt64(0)), s.ColumnInt64(1)}
	})
	return mapOf(pairs), err
}

const fromDevices = `SELECT f.name, d.device, d.state, d.generation, d.connected_at, d.seen_at, d.lost_at, d.down_at, d.cause, d.flapping, d.muted_until
	FROM device d JOIN facility f USING (facility_id)`

// Devices returns devices by facility number and name.
func (q *Queries) Devices(ctx context.Context, query store.DeviceQuery) ([]*sluicev1.Device, error) {
	return all(ctx, q, "devices", fromDevices+` WHERE d.facility_id IN (SELECT value FROM json_each(?)) AND (d.facility_id, d.device) > (?, ?)
		AND (?4 = '' OR d.state = ?4) ORDER BY d.facility_id, d.device LIMIT ?5`,
		[]any{list(query.Facilities), query.AfterFacility, query.AfterDevice, store.StateWords[query.State], query.Limit}, scanDevice)
}

func scanDevice(s *sqlite3.Stmt) *sluicev1.Device {
	return &sluicev1.Device{
		Facility: s.ColumnText(0), Device: s.ColumnText(1), State: store.ValueOf(store.StateWords, s.ColumnText(2), 0), Generation: s.ColumnInt64(3),
		ConnectedAt: stamp(s, 4), SeenAt: stamp(s, 5), LostAt: stamp(s, 6), DownAt: stamp(s, 7),
		Cause: store.ValueOf(store.DownWords, s.ColumnText(8), 0), Flapping: s.ColumnBool(9), MutedUntil: stamp(s, 10),
	}
}

// stamp is a time as the api gives it; nil for none.
func stamp(s *sqlite3.Stmt, column int) *timestamppb.Timestamp {
	t := s.ColumnInt64(column)
	if t == 0 {
		return nil
	}
	return timestamppb.New(time.UnixMicro(t))
}

const outageColumns = `SELECT f.name, o.device, o.down_at, o.up_at, o.lost_at, o.cause, o.recovery, o.muted, o.flap, o.report_ids`

// Outages returns outages by facility number, the latest first, and the device's name.
func (q *Queries) Outages(ctx context.Context, query store.OutageQuery) (outages []*sluicev1.Outage, err error) {
	for _, facility := range query.Facilities {
		left := query.Limit - len(outages)
		if facility < query.AfterFacility || left == 0 {
			continue
		}
		down, device := int64(math.MaxInt64), "" // after every outage
		if facility == query.AfterFacility {
			down, device = query.AfterDown, query.AfterDevice
		}
		more, err := all(ctx, q, "outages", outageColumns+` FROM outage o JOIN facility f USING (facility_id)
			WHERE o.facility_id = ?1 AND o.down_at <= ?2 AND (o.down_at < ?2 OR o.device > ?3)
			AND (?4 = '' OR o.device = ?4) AND (NOT ?5 OR o.recovery = '') AND o.down_at >= ?6 AND (?7 = 0 OR o.down_at < ?7)
			ORDER BY o.down_at DESC, o.device LIMIT ?8`,
			[]any{facility, down, device, query.Device, query.Open, micros(query.From), micros(query.To), left}, scanOutage)
		if err != nil {
			return nil, err
		}
		outages = append(outages, more...)
	}
	return outages, nil
}

func scanOutage(s *sqlite3.Stmt) *sluicev1.Outage {
	return &sluicev1.Outage{
		Facility: s.ColumnText(0), Device: s.ColumnText(1), DownAt: stamp(s, 2), UpAt: stamp(s, 3), LostAt: stamp(s, 4),
		Cause: store.ValueOf(store.DownWords, s.ColumnText(5), 0),
		End:   store.ValueOf(store.EndWords, s.ColumnText(6), sluicev1.OutageEnd_OUTAGE_END_UNKNOWN),
		Muted: s.ColumnBool(7), Flap: store.ValueOf(store.FlapWords, s.ColumnText(8), 0), ReportIds: reportIDs(s, 9),
	}
}

const fromRoutes = `SELECT f.name, r.route, r.received, r.stored, r.duplicate, r.dead, r.dropped, r.queued, r.batches, r.bytes,
	r.oldest_age, r.rate, r.halted, r.halted_since, r.updated_at FROM route_status r JOIN facility f USING (facility_id)`

// Routes returns the state of routes by facility number and name of the queue.
func (q *Queries) Routes(ctx context.Context, query store.RouteQuery) ([]*sluicev1.Route, error) {
	return all(ctx, q, "routes", fromRoutes+` WHERE r.facility_id IN (SELECT value FROM json_each(?)) AND (r.facility_id, r.route) > (?, ?)
		ORDER BY r.facility_id, r.route LIMIT ?`,
		[]any{list(query.Facilities), query.AfterFacility, query.AfterRoute, query.Limit}, scanRoute)
}

func scanRoute(s *sqlite3.Stmt) *sluicev1.Route {
	r := &sluicev1.Route{
		Facility: s.ColumnText(0), Route: s.ColumnText(1), Received: s.ColumnInt64(2), Stored: s.ColumnInt64(3), Duplicate: s.ColumnInt64(4),
		Dead: s.ColumnInt64(5), Queued: s.ColumnInt64(7), Batches: s.ColumnInt64(8), Bytes: s.ColumnInt64(9),
		OldestAge: s.ColumnFloat(10), Rate: s.ColumnFloat(11), Halted: s.ColumnText(12), HaltedSince: stamp(s, 13), UpdatedAt: stamp(s, 14),
	}
	r.Dropped = counts(s.ColumnRawText(6))
	return r
}

const (
	// maxDeadPayload is the largest payload that DeadLetters gives, in bytes.
	maxDeadPayload = 64 << 10
	// maxDeadPage is how many bytes of payloads end a page of dead letters.
	maxDeadPage = 1 << 20
)

// DeadLetters returns dead letters, the latest first, and whether there may be more.
// Payloads of more than 64 KiB are left out, and a page ends early after 1 MiB of them.
func (q *Queries) DeadLetters(ctx context.Context, query store.DeadQuery) (letters []*sluicev1.DeadLetter, more bool, err error) {
	sql := `SELECT d.id, f.name, d.route, d.device, d.topic, CASE WHEN octet_length(d.payload) <= ?7 THEN d.payload END, octet_length(d.payload),
			d.received, d.reason, d.code, d.detail, d.at
		FROM dead_letter d JOIN facility f USING (facility_id)
		WHERE d.facility_id IN (SELECT value FROM json_each(?1)) AND (?2 = 0 OR d.id < ?2)
		AND (?3 = '' OR d.route = ?3) AND (?4 = '' OR d.device = ?4) AND (?5 = '' OR d.reason = ?5) ORDER BY d.id DESC LIMIT ?6`
	args := []any{list(query.Facilities), query.Before, query.Route, query.Device, query.Reason, query.Limit, maxDeadPayload}
	total := 0
	err = q.store.read(ctx, func(c *conn) error {
		return c.each(sql, args, func(s *sqlite3.Stmt) error {
			if total < maxDeadPage {
				letters = append(letters, scanLetter(s))
				total += len(letters[len(letters)-1].Payload)
			}
			return nil
		})
	})
	if err != nil {
		return nil, false, fmt.Errorf("read dead letters: %w", err)
	}
	return letters, len(letters) == query.Limit || total >= maxDeadPage, nil
}

func scanLetter(s *sqlite3.Stmt) *sluicev1.DeadLetter {
	l := &sluicev1.DeadLetter{
		Id: s.ColumnInt64(0), Facility: s.ColumnText(1), Route: s.ColumnText(2), Device: s.ColumnText(3), Topic: s.ColumnText(4),
		PayloadSize: s.ColumnInt64(6), Received: stamp(s, 7), Reason: s.ColumnText(8), Code: s.ColumnText(9), Detail: s.ColumnText(10), At: stamp(s, 11),
	}
	if s.ColumnType(5) != sqlite3.NULL {
		l.Payload = s.ColumnBlob(5, []byte{})
	}
	return l
}

// Mark names this moment for the methods Changed..., which then miss nothing that is
// committed afterwards.
func (q *Queries) Mark(ctx context.Context) (string, error) {
	marks, err := all(ctx, q, "the last change", `SELECT number FROM change`, nil, func(s *sqlite3.Stmt) string {
		return strconv.FormatInt(s.ColumnInt64(0), 10)
	})
	if err != nil || len(marks) == 0 {
		return "", err
	}
	return marks[0], nil
}

// after is the number of a mark.
func after(mark string) (int64, error) {
	n, err := strconv.ParseInt(mark, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("mark %q: %w", mark, err)
	}
	return n, nil
}

// ChangedDevices returns the devices that were written since mark, in any order. It
// looks at every row.
func (q *Queries) ChangedDevices(ctx context.Context, mark string) ([]*sluicev1.Device, error) {
	n, err := after(mark)
	if err != nil {
		return nil, err
	}
	return all(ctx, q, "changed devices", fromDevices+` WHERE d.changed > ?`, []any{n}, scanDevice)
}

// ChangedOutages returns the outages of these devices that were written since mark, the
// earliest first.
func (q *Queries) ChangedOutages(ctx context.Context, mark string, of []*sluicev1.Device) (outages []*sluicev1.Outage, err error) {
	n, err := after(mark)
	for _, d := range of {
		if err != nil {
			return nil, err
		}
		var more []*sluicev1.Outage
		more, err = all(ctx, q, "changed outages", outageColumns+` FROM facility f JOIN outage o USING (facility_id)
			WHERE f.name = ? AND o.device = ? AND o.changed > ?`, []any{d.GetFacility(), d.GetDevice(), n}, scanOutage)
		outages = append(outages, more...)
	}
	sortByDown(outages)
	return outages, err
}

// ChangedRoutes returns the state of the routes that were written since mark, in any
// order.
func (q *Queries) ChangedRoutes(ctx context.Context, mark string) ([]*sluicev1.Route, error) {
	n, err := after(mark)
	if err != nil {
		return nil, err
	}
	return all(ctx, q, "changed routes", fromRoutes+` WHERE r.changed > ?`, []any{n}, scanRoute)
}

func counts(text []byte) map[string]int64 {
	m := map[string]int64{}
	if err := json.Unmarshal(text, &m); err != nil || len(m) == 0 {
		return nil
	}
	return m
}

func sortByDown(outages []*sluicev1.Outage) {
	slices.SortStableFunc(outages, func(a, b *sluicev1.Outage) int { return a.GetDownAt().AsTime().Compare(b.GetDownAt().AsTime()) })
}
