package postgres

import (
	"testing"
	"time"

	"sluice"
	"sluice/store"
)

func TestWriteRouteStatus_LastWriterWins(t *testing.T) {
	t.Parallel()
	_, pool := newSink(t)
	since := time.Unix(epoch0, 0)
	sensor := store.RouteStatus{Rate: 12.5, QueueStatus: sluice.QueueStatus{
		Queue: "data/sensor", Open: 1, Sealed: 2, Claimed: 3, Retry: 4, Batches: 3, Bytes: 410, OldestAge: 1500 * time.Millisecond,
		Account: sluice.Account{Received: 100, Stored: 80, Duplicate: 5, Dead: 3, Dropped: map[string]int64{sluice.DropOverlap: 2}},
		Halted:  "no table \x00", HaltedSince: since,
	}}
	door := store.RouteStatus{QueueStatus: sluice.QueueStatus{Queue: "data/door"}}
	for range 2 {
		if err := WriteRouteStatus(t.Context(), pool, 1, []store.RouteStatus{sensor, door}); err != nil {
			t.Fatal(err)
		}
	}
	const columns = "concat_ws(' ', received, stored, duplicate, dead, dropped, queued, batches, bytes, oldest_age, rate, halted, extract(epoch FROM halted_since)::bigint)"
	read := func(route string) string {
		return query[string](t, pool, "SELECT "+columns+" FROM sluice.route_status WHERE facility_id = 1 AND route = $1", route)
	}
	if got, want := read("data/sensor"), `100 80 5 3 {"overlap": 2} 10 3 410 1.5 12.5 no table `+"\uFFFD"+` 1700000000`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := read("data/door"), "0 0 0 0 {} 0 0 0 0 0 "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	sensor.Halted, sensor.HaltedSince = "", time.Time{}
	if err := WriteRouteStatus(t.Context(), pool, 1, []store.RouteStatus{sensor}); err != nil {
		t.Fatal(err)
	}
	if got, want := read("data/sensor"), `100 80 5 3 {"overlap": 2} 10 3 410 1.5 12.5 `; got != want {
		t.Errorf("after the repair: got %q, want %q", got, want)
	}
}
