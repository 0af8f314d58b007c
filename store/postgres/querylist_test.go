package postgres

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sluice"
	"sluice/gen/sluicev1"
	"sluice/store"
)

// newLists returns queries on a database of two facilities.
func newLists(t testing.TB) *Queries {
	t.Helper()
	pool := newDatabase(t)
	exec(t, pool, "INSERT INTO data.facility (name) VALUES ('plant-1'), ('plant-2')")
	return NewQueries(pool)
}

func TestQueries_Facilities(t *testing.T) {
	t.Parallel()
	got, err := newLists(t).Facilities(t.Context())
	if diff := cmp.Diff(map[int32]string{1: "plant-1", 2: "plant-2"}, got); err != nil || diff != "" {
		t.Errorf("got %v (-want +got):\n%s", err, diff)
	}
}

func TestQueries_Devices(t *testing.T) {
	t.Parallel()
	q := newLists(t)
	exec(t, q.pool, `INSERT INTO data.device (facility_id, device, state, generation, cause, flapping, version)
		SELECT f, 'd' || i, CASE i % 3 WHEN 0 THEN 'down' ELSE 'up' END, i, '', false, 1 FROM generate_series(1, 2) f, generate_series(1, 9) i`)
	at := time.UnixMicro(1_700_000_000_000_001).UTC()
	exec(t, q.pool, `UPDATE data.device SET state = 'suspect', connected_at = $1, seen_at = $1, lost_at = $1, down_at = $1, cause = 'grace',
		flapping = true, muted_until = $1 WHERE facility_id = 2 AND device = 'd5'`, at)
	query := store.DeviceQuery{Facilities: []int32{1, 2}, Limit: 5}
	var seen []string
	for {
		page, err := q.Devices(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, d := range page {
			seen = append(seen, d.Facility+"/"+d.Device)
		}
		last := page[len(page)-1]
		query.AfterFacility, query.AfterDevice = map[string]int32{"plant-1": 1, "plant-2": 2}[last.Facility], last.Device
	}
	if len(seen) != 18 || !slices.IsSorted(seen) || len(slices.Compact(slices.Clone(seen))) != 18 {
		t.Errorf("got %v, want every device once, in order", seen)
	}
	got, err := q.Devices(t.Context(), store.DeviceQuery{Facilities: []int32{2}, State: sluicev1.PresenceState_PRESENCE_STATE_SUSPECT, Limit: 5})
	stamp := timestamppb.New(at)
	want := []*sluicev1.Device{{
		Facility: "plant-2", Device: "d5", State: sluicev1.PresenceState_PRESENCE_STATE_SUSPECT, Generation: 5,
		ConnectedAt: stamp, SeenAt: stamp, LostAt: stamp, DownAt: stamp, MutedUntil: stamp,
		Cause: sluicev1.PresenceCause_PRESENCE_CAUSE_GRACE, Flapping: true,
	}}
	if diff := cmp.Diff(want, got, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("got %v (-want +got):\n%s", err, diff)
	}
}

func TestQueries_Outages(t *testing.T) {
	t.Parallel()
	q := newLists(t)
	// Many begin in one microsecond, as when a whole site loses its network.
	exec(t, q.pool, `INSERT INTO data.outage (facility_id, device, down_at, cause, muted, flap, up_at, recovery)
		SELECT f, 'd' || i, to_timestamp(1700000000 + i / 4), 'lwt', false, '', CASE WHEN i > 2 THEN now() END, CASE WHEN i > 2 THEN 'data' ELSE '' END
		FROM generate_series(1, 2) f, generate_series(1, 9) i`)
	exec(t, q.pool, `INSERT INTO data.outage (facility_id, device, down_at, lost_at, up_at, cause, recovery, muted, flap, report_ids)
		VALUES (2, 'd1', to_timestamp(100), to_timestamp(90), to_timestamp(110), 'silent', 'novel', true, 'began', '{a:1,b:2}')`)
	list := func(query store.OutageQuery) (seen []string) {
		query.Facilities = []int32{1, 2}
		for {
			page, err := q.Outages(t.Context(), query)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page {
				seen = append(seen, o.Facility+"/"+o.Device)
			}
			if len(page) < query.Limit {
				return seen
			}
			last := page[len(page)-1]
			query.AfterFacility = map[string]int32{"plant-1": 1, "plant-2": 2}[last.Facility]
			query.AfterDevice, query.AfterDown = last.Device, last.DownAt.AsTime().UnixMicro()
		}
	}
	order := []string{"d8", "d9", "d4", "d5", "d6", "d7", "d1", "d2", "d3"}
	var want []string
	for _, f := range []string{"plant-1/", "plant-2/"} {
		for _, d := range order {
			want = append(want, f+d)
		}
	}
	want = append(want, "plant-2/d1")
	for _, limit := range []int{1, 2, 5, 100} {
		if diff := cmp.Diff(want, list(store.OutageQuery{Limit: limit})); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
		}
	}
	for name, tt := range map[string]struct {
		query store.OutageQuery
		want  []string
	}{
		"open":   {store.OutageQuery{Open: true}, []string{"plant-1/d1", "plant-1/d2", "plant-2/d1", "plant-2/d2"}},
		"device": {store.OutageQuery{Device: "d1"}, []string{"plant-1/d1", "plant-2/d1", "plant-2/d1"}},
		"time":   {store.OutageQuery{From: time.Unix(1_700_000_002, 0)}, []string{"plant-1/d8", "plant-1/d9", "plant-2/d8", "plant-2/d9"}},
		"until":  {store.OutageQuery{To: time.Unix(1_700_000_000, 0)}, []string{"plant-2/d1"}},
	} {
		tt.query.Limit = 3
		if diff := cmp.Diff(tt.want, list(tt.query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	got, err := q.Outages(t.Context(), store.OutageQuery{Facilities: []int32{2}, To: time.Unix(1000, 0), Limit: 5})
	full := []*sluicev1.Outage{{
		Facility: "plant-2", Device: "d1", DownAt: &timestamppb.Timestamp{Seconds: 100}, LostAt: &timestamppb.Timestamp{Seconds: 90},
		UpAt: &timestamppb.Timestamp{Seconds: 110}, Cause: sluicev1.PresenceCause_PRESENCE_CAUSE_SILENT, Muted: true,
		End: sluicev1.OutageEnd_OUTAGE_END_UNKNOWN, Flap: sluicev1.PresenceFlap_PRESENCE_FLAP_BEGAN, ReportIds: []string{"a:1", "b:2"},
	}}
	if diff := cmp.Diff(full, got, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("got %v (-want +got):\n%s", err, diff)
	}
}

func TestQueries_Routes(t *testing.T) {
	t.Parallel()
	q := newLists(t)
	since := time.UnixMicro(1_700_000_000_000_000).UTC()
	status := func(name string) store.RouteStatus {
		return store.RouteStatus{Rate: 1.5, QueueStatus: sluice.QueueStatus{
			Queue: name, Account: sluice.Account{Received: 10, Stored: 4, Duplicate: 2, Dead: 1, Dropped: map[string]int64{"quota": 1}},
			Open: 2, Batches: 1, Bytes: 77, OldestAge: 1500 * time.Millisecond, Halted: "no", HaltedSince: since,
		}}
	}
	for f := range int32(2) {
		if err := WriteRouteStatus(t.Context(), q.pool, f+1, []store.RouteStatus{status("a"), status("b")}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := q.Routes(t.Context(), store.RouteQuery{Facilities: []int32{1, 2}, AfterFacility: 1, AfterRoute: "b", Limit: 1})
	want := []*sluicev1.Route{{
		Facility: "plant-2", Route: "a", Received: 10, Stored: 4, Duplicate: 2, Dead: 1, Dropped: map[string]int64{"quota": 1},
		Queued: 2, Batches: 1, Bytes: 77, OldestAge: 1.5, Rate: 1.5, Halted: "no", HaltedSince: timestamppb.New(since),
	}}
	if diff := cmp.Diff(want, got, protocmp.Transform(), protocmp.IgnoreFields(&sluicev1.Route{}, "updated_at")); err != nil || diff != "" {
		t.Errorf("got %v (-want +got):\n%s", err, diff)
	}
	if len(got) == 1 && time.Since(got[0].UpdatedAt.AsTime()) > time.Minute {
		t.Errorf("updated at %v", got[0].UpdatedAt.AsTime())
	}
}

func TestQueries_DeadLetters(t *testing.T) {
	t.Parallel()
	q := newLists(t)
	// 30 letters of 40 000 bytes and, the ninth, one of 70 000.
	exec(t, q.pool, `INSERT INTO sluice.dead_letter (facility_id, route, device, topic, payload, received, reason, code, detail, at)
		SELECT 1 + i % 2, 'r' || i % 3, 'd', 't', convert_to(repeat('x', CASE i WHEN 9 THEN 70000 ELSE 40000 END), 'UTF8'), now(), 'decode', '', '', now()
		FROM generate_series(1, 30) i`)
	list := func(query store.DeadQuery) (ids []int64, pages int) {
		for more := true; more; pages++ {
			var page []*sluicev1.DeadLetter
			var err error
			page, more, err = q.DeadLetters(t.Context(), query)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range page {
				if l.Id == 9 && (l.Payload != nil || l.PayloadSize != 70_000) || l.Id != 9 && len(l.Payload) != 40_000 {
					t.Errorf("letter %d: got %d bytes, size %d", l.Id, len(l.Payload), l.PayloadSize)
				}
				ids, query.Before = append(ids, l.Id), l.Id
			}
		}
		return ids, pages
	}
	both := []int32{1, 2}
	for _, limit := range []int{1, 7, 1000} {
		ids, pages := list(store.DeadQuery{Facilities: both, Limit: limit})
		if len(ids) != 30 || !slices.IsSortedFunc(ids, func(a, b int64) int { return int(b - a) }) || pages < 2 {
			t.Errorf("pages of %d: got %v in %d pages, want all, the latest first, in several", limit, ids, pages)
		}
	}
	if ids, _ := list(store.DeadQuery{Facilities: []int32{1}, Route: "r0", Device: "d", Reason: "decode", Limit: 2}); fmt.Sprint(ids) != "[30 24 18 12 6]" {
		t.Errorf("got %v", ids)
	}
	if ids, _ := list(store.DeadQuery{Facilities: both, Reason: "x", Limit: 2}); len(ids) != 0 {
		t.Errorf("got %v, want none", ids)
	}
}
