package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sluice"
	pb "sluice/gen/sluicev1"
	"sluice/store"
)

// numbers are those of the facilities that twoPlants registers.
var numbers = map[string]int32{"plant-1": 1, "plant-2": 2}

func twoPlants(t testing.TB, s Store) {
	t.Helper()
	for _, name := range []string{"plant-1", "plant-2"} {
		if id := facility(t, s, name); id != numbers[name] {
			t.Fatalf("%s has number %d", name, id)
		}
	}
}

func tell(t testing.TB, s Store, facility int32, events ...*pb.PresenceEvent) {
	t.Helper()
	WantOutcome(t, s.NewDevices(facility).Handle(t.Context(), PresenceBatch(events...)), 0)
}

func queriesFacilities(t *testing.T, s Store) {
	twoPlants(t, s)
	got, err := s.Facilities(t.Context())
	if diff := cmp.Diff(map[int32]string{1: "plant-1", 2: "plant-2"}, got); err != nil || diff != "" {
		t.Errorf("got %v (-want +got):\n%s", err, diff)
	}
}

func queriesDevices(t *testing.T, s Store) {
	twoPlants(t, s)
	for f := range int32(2) {
		for i := range int64(9) {
			tell(t, s, f+1, Event(Changed, fmt.Sprintf("d%d", i+1), i+1, 0, nil))
		}
	}
	tell(t, s, 2, Event(Changed, "d5", 50, 4, func(e *pb.PresenceEvent) {
		e.State, e.Cause, e.Flap = pb.PresenceState_PRESENCE_STATE_SUSPECT, pb.PresenceCause_PRESENCE_CAUSE_GRACE, pb.PresenceFlap_PRESENCE_FLAP_BEGAN
		e.ConnectedAt, e.SeenAt, e.LostAt, e.MutedUntil = Micros(1), Micros(2), Micros(3), Micros(5)
	}))
	seen := allDevices(t, s, store.DeviceQuery{Facilities: []int32{1, 2}, Limit: 5})
	if len(seen) != 18 || !slices.IsSorted(seen) || len(slices.Compact(slices.Clone(seen))) != 18 {
		t.Errorf("got %v, want every device once, in order", seen)
	}
	if seen := allDevices(t, s, store.DeviceQuery{Facilities: []int32{1, 2}, State: pb.PresenceState_PRESENCE_STATE_UP, Limit: 3}); len(seen) != 17 {
		t.Errorf("got %v, want the 17 that are up", seen)
	}
	got, err := s.Devices(t.Context(), store.DeviceQuery{Facilities: []int32{2}, State: pb.PresenceState_PRESENCE_STATE_SUSPECT, Limit: 5})
	want := []*pb.Device{{
		Facility: "plant-2", Device: "d5", State: pb.PresenceState_PRESENCE_STATE_SUSPECT, Generation: 50,
		ConnectedAt: at(1), SeenAt: at(2), LostAt: at(3), DownAt: at(4), MutedUntil: at(5),
		Cause: pb.PresenceCause_PRESENCE_CAUSE_GRACE, Flapping: true,
	}}
	if diff := cmp.Diff(want, got, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("got %v (-want +got):\n%s", err, diff)
	}
}

// at is the time Micros(n).
func at(n int64) *timestamppb.Timestamp { return timestamppb.New(time.UnixMicro(Micros(n))) }

// allDevices reads pages to the end.
func allDevices(t testing.TB, s Store, q store.DeviceQuery) (seen []string) {
	t.Helper()
	for {
		page, err := s.Devices(t.Context(), q)
		must(t, err)
		if len(page) == 0 {
			return seen
		}
		for _, d := range page {
			seen = append(seen, d.Facility+"/"+d.Device)
		}
		last := page[len(page)-1]
		q.AfterFacility, q.AfterDevice = numbers[last.Facility], last.Device
	}
}

func queriesOutages(t *testing.T, s Store) {
	twoPlants(t, s)
	const second = 1_000_000
	// Many begin in one microsecond, as when a whole site loses its network.
	for f := range int32(2) {
		for i := range int64(9) {
			name, down := fmt.Sprintf("d%d", i+1), (i+1)/4*second
			tell(t, s, f+1, Event(Fell, name, second*10, down, func(e *pb.PresenceEvent) { e.DownAt = Micros(down) }))
			if i+1 > 2 {
				tell(t, s, f+1, Event(CameBack, name, second*11, down, func(e *pb.PresenceEvent) { e.DownAt = Micros(down) }))
			}
		}
	}
	tell(t, s, 2, Event(Fell, "d1", 1, -100*second, func(e *pb.PresenceEvent) {
		e.Cause, e.Muted, e.Flap = pb.PresenceCause_PRESENCE_CAUSE_SILENT, true, pb.PresenceFlap_PRESENCE_FLAP_BEGAN
	}), Event(CameBack, "d1", 2, -100*second, func(e *pb.PresenceEvent) { e.At, e.Cause = Micros(-90*second), 99 }),
		reportOf("d1", -100*second, "a", "1"), reportOf("d1", -100*second, "b", "2"))
	order := []string{"d8", "d9", "d4", "d5", "d6", "d7", "d1", "d2", "d3"}
	var want []string
	for _, f := range []string{"plant-1/", "plant-2/"} {
		for _, d := range order {
			want = append(want, f+d)
		}
	}
	want = append(want, "plant-2/d1")
	for _, limit := range []int{1, 2, 5, 100} {
		if diff := cmp.Diff(want, allOutages(t, s, store.OutageQuery{Limit: limit})); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
		}
	}
	for name, tt := range map[string]struct {
		query store.OutageQuery
		want  []string
	}{
		"open":   {store.OutageQuery{Open: true}, []string{"plant-1/d1", "plant-1/d2", "plant-2/d1", "plant-2/d2"}},
		"device": {store.OutageQuery{Device: "d1"}, []string{"plant-1/d1", "plant-2/d1", "plant-2/d1"}},
		"time":   {store.OutageQuery{From: time.Unix(Epoch+2, 0)}, []string{"plant-1/d8", "plant-1/d9", "plant-2/d8", "plant-2/d9"}},
		"until":  {store.OutageQuery{To: time.Unix(Epoch, 0)}, []string{"plant-2/d1"}},
	} {
		tt.query.Limit = 3
		if diff := cmp.Diff(tt.want, allOutages(t, s, tt.query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	got, err := s.Outages(t.Context(), store.OutageQuery{Facilities: []int32{2}, To: time.Unix(Epoch, 0), Limit: 5})
	full := []*pb.Outage{{
		Facility: "plant-2", Device: "d1", DownAt: at(-100 * second), LostAt: at(-100*second - 5), UpAt: at(-90 * second),
		Cause: pb.PresenceCause_PRESENCE_CAUSE_SILENT, Muted: true, End: pb.OutageEnd_OUTAGE_END_UNKNOWN,
		Flap: pb.PresenceFlap_PRESENCE_FLAP_BEGAN, ReportIds: []string{"a:1", "b:2"},
	}}
	if diff := cmp.Diff(full, got, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("got %v (-want +got):\n%s", err, diff)
	}
}

// allOutages reads pages to the end.
func allOutages(t testing.TB, s Store, q store.OutageQuery) (seen []string) {
	t.Helper()
	q.Facilities = []int32{1, 2}
	for {
		page, err := s.Outages(t.Context(), q)
		must(t, err)
		for _, o := range page {
			seen = append(seen, o.Facility+"/"+o.Device)
		}
		if len(page) < q.Limit {
			return seen
		}
		last := page[len(page)-1]
		q.AfterFacility, q.AfterDevice, q.AfterDown = numbers[last.Facility], last.Device, last.DownAt.AsTime().UnixMicro()
	}
}

// status is one of a route that is halted.
func status(name string) store.RouteStatus {
	return store.RouteStatus{Rate: 12.5, QueueStatus: sluice.QueueStatus{
		Queue: name, Open: 1, Sealed: 2, Claimed: 3, Retry: 4, Batches: 3, Bytes: 410, OldestAge: 1500 * time.Millisecond,
		Account: sluice.Account{Received: 100, Stored: 80, Duplicate: 5, Dead: 3, Dropped: map[string]int64{sluice.DropOverlap: 2}},
		Halted:  "no table \x00", HaltedSince: time.Unix(Epoch, 0),
	}}
}

// route is what readers see of status.
func route(facility, name string) *pb.Route {
	return &pb.Route{
		Facility: facility, Route: name, Received: 100, Stored: 80, Duplicate: 5, Dead: 3, Dropped: map[string]int64{sluice.DropOverlap: 2},
		Queued: 10, Batches: 3, Bytes: 410, OldestAge: 1.5, Rate: 12.5, Halted: "no table \uFFFD", HaltedSince: timestamppb.New(time.Unix(Epoch, 0)),
	}
}

func wantRoutes(t testing.TB, s Store, q store.RouteQuery, want ...*pb.Route) {
	t.Helper()
	got, err := s.Routes(t.Context(), q)
	if diff := cmp.Diff(want, got, protocmp.Transform(), protocmp.IgnoreFields(&pb.Route{}, "updated_at"), cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Errorf("got %v (-want +got):\n%s", err, diff)
	}
	for _, r := range got {
		if time.Since(r.UpdatedAt.AsTime()) > time.Minute {
			t.Errorf("updated at %v", r.UpdatedAt.AsTime())
		}
	}
}

func statusLastWins(t *testing.T, s Store) {
	twoPlants(t, s)
	sensor, door := status("data/sensor"), store.RouteStatus{QueueStatus: sluice.QueueStatus{Queue: "data/door"}}
	for range 2 {
		must(t, s.WriteRouteStatus(t.Context(), 1, []store.RouteStatus{sensor, door}))
	}
	all := store.RouteQuery{Facilities: []int32{1, 2}, Limit: 10}
	wantRoutes(t, s, all, &pb.Route{Facility: "plant-1", Route: "data/door"}, route("plant-1", "data/sensor"))
	sensor.Halted, sensor.HaltedSince = "", time.Time{}
	must(t, s.WriteRouteStatus(t.Context(), 1, []store.RouteStatus{sensor}))
	mended := route("plant-1", "data/sensor")
	mended.Halted, mended.HaltedSince = "", nil
	wantRoutes(t, s, all, &pb.Route{Facility: "plant-1", Route: "data/door"}, mended)
}

func queriesRoutes(t *testing.T, s Store) {
	twoPlants(t, s)
	for f := range int32(2) {
		must(t, s.WriteRouteStatus(t.Context(), f+1, []store.RouteStatus{status("b"), status("a")}))
	}
	q := store.RouteQuery{Facilities: []int32{1, 2}, Limit: 3}
	wantRoutes(t, s, q, route("plant-1", "a"), route("plant-1", "b"), route("plant-2", "a"))
	q.AfterFacility, q.AfterRoute = 2, "a"
	wantRoutes(t, s, q, route("plant-2", "b"))
	wantRoutes(t, s, store.RouteQuery{Facilities: []int32{2}, Limit: 1}, route("plant-2", "a"))
	wantRoutes(t, s, store.RouteQuery{Limit: 1})
}

func queriesDeadLetters(t *testing.T, s Store) {
	twoPlants(t, s)
	// 30 letters of 40 000 bytes and, the ninth, one of 70 000.
	for i := 1; i <= 30; i++ {
		l := uniqueLetter(i)
		l.Route, l.Device, l.Reason, l.Payload = fmt.Sprintf("r%d", i%3), "d", sluice.ReasonDecode, make([]byte, 40_000)
		if i == 9 {
			l.Payload = make([]byte, 70_000)
		}
		WantOutcome(t, s.NewDead(int32(1+i%2)).Handle(t.Context(), DeadBatch(t, l)), 0)
	}
	both := []int32{1, 2}
	for _, limit := range []int{1, 7, 1000} {
		ids, pages := allLetters(t, s, store.DeadQuery{Facilities: both, Limit: limit})
		if len(ids) != 30 || !slices.IsSortedFunc(ids, func(a, b int64) int { return int(b - a) }) || pages < 2 {
			t.Errorf("pages of %d: got %v in %d pages, want all, the latest first, in several", limit, ids, pages)
		}
	}
	if ids, _ := allLetters(t, s, store.DeadQuery{Facilities: []int32{1}, Route: "r0", Device: "d", Reason: sluice.ReasonDecode, Limit: 2}); fmt.Sprint(ids) != "[30 24 18 12 6]" {
		t.Errorf("got %v", ids)
	}
	for _, q := range []store.DeadQuery{{Facilities: both, Reason: "x"}, {Facilities: both, Device: "x"}, {Facilities: both, Route: "x"}, {}} {
		q.Limit = 2
		if ids, _ := allLetters(t, s, q); len(ids) != 0 {
			t.Errorf("%+v: got %v, want none", q, ids)
		}
	}
}

// allLetters reads pages to the end.
func allLetters(t testing.TB, s Store, q store.DeadQuery) (ids []int64, pages int) {
	t.Helper()
	for more := true; more; pages++ {
		var page []*pb.DeadLetter
		var err error
		page, more, err = s.DeadLetters(t.Context(), q)
		must(t, err)
		for _, l := range page {
			if l.Id == 9 && (l.Payload != nil || l.PayloadSize != 70_000) || l.Id != 9 && len(l.Payload) != 40_000 {
				t.Errorf("letter %d: got %d bytes, size %d", l.Id, len(l.Payload), l.PayloadSize)
			}
			ids, q.Before = append(ids, l.Id), l.Id
		}
	}
	return ids, pages
}

// What is written after a mark is among what changed. Other rows may be, too.
func queriesChanged(t *testing.T, s Store) {
	twoPlants(t, s)
	tell(t, s, 1, Event(Changed, "still", 1, 0, nil), Event(Fell, "a", 10, 10, nil), Event(Changed, "b", 1, 0, nil))
	must(t, s.WriteRouteStatus(t.Context(), 1, []store.RouteStatus{status("still"), status("moving")}))
	mark, err := s.Mark(t.Context())
	must(t, err)
	tell(t, s, 1, Event(CameBack, "a", 20, 10, nil), Event(Fell, "a", 30, 30, nil))
	tell(t, s, 2, Event(Changed, "b", 1, 0, nil))
	must(t, s.WriteRouteStatus(t.Context(), 1, []store.RouteStatus{status("moving")}))
	wantAmong(t, ChangedSince(t, s, mark), "plant-1/a", "plant-2/b", "a 10", "a 30", "route moving")

	next, err := s.Mark(t.Context())
	must(t, err)
	tell(t, s, 1, reportOf("a", 30, "chat", "1"), Event(Steady, "a", 31, 30, nil))
	wantAmong(t, ChangedSince(t, s, next), "plant-1/a", "a 30")
	wantAmong(t, ChangedSince(t, s, mark), "plant-1/a", "plant-2/b", "a 10", "a 30", "route moving")
}

func wantAmong(t testing.TB, got []string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("got %q, want %q among them", got, w)
		}
	}
}

// ChangedSince names what changed since a mark: devices as "plant-1/a", outages of the
// device a by their beginning as "a 10", routes as "route b".
func ChangedSince(t testing.TB, s Queries, mark string) (names []string) {
	t.Helper()
	devices, err := s.ChangedDevices(t.Context(), mark)
	must(t, err)
	for _, d := range devices {
		names = append(names, d.Facility+"/"+d.Device)
	}
	outages, err := s.ChangedOutages(t.Context(), mark, []*pb.Device{{Facility: "plant-1", Device: "a"}, {Facility: "plant-2", Device: "a"}})
	must(t, err)
	for _, o := range outages {
		names = append(names, fmt.Sprintf("a %d", o.DownAt.AsTime().UnixMicro()-Micros(0)))
	}
	routes, err := s.ChangedRoutes(t.Context(), mark)
	must(t, err)
	for _, r := range routes {
		names = append(names, "route "+r.Route)
	}
	return names
}
