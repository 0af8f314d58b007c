package postgres

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"sluice"
)

type storedRow struct {
	Facility int32
	Entry    int64
	Device   string
	Temp, RH float32
	Epoch    int64
}

func TestSensor_StoresRowsInOrder(t *testing.T) {
	t.Parallel()
	s, pool := newSink(t)
	b := newBatch(payload("dev-1", epoch0, 21.5, 40), payload("dev-2", epoch0, -3.25, 99.5))
	wantOutcome(t, s.Handle(t.Context(), b), 0)
	wantOutcome(t, s.Handle(t.Context(), newBatch(payload("dev-1", epoch0+1, 0, 0))), 0)

	rows, err := pool.Query(t.Context(), "SELECT facility_id, entry_id, device, temp, rh, epoch FROM data.sensor ORDER BY entry_id")
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[storedRow])
	if err != nil {
		t.Fatal(err)
	}
	want := []storedRow{
		{1, 1, "dev-1", 21.5, 40, epoch0},
		{1, 2, "dev-2", -3.25, 99.5, epoch0},
		{1, 3, "dev-1", 0, 0, epoch0 + 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	wantRows(t, pool, 3)
}

func TestSensor_ReplayAfterCommit_ReturnsTheSameOutcome(t *testing.T) {
	t.Parallel()
	s, pool := newSink(t)
	wantOutcome(t, s.Handle(t.Context(), readings("dev-1", epoch0, 3)), 0)
	b := newBatch(
		payload("dev-1", epoch0, 20, 50),    // duplicate
		payload("dev-1", epoch0+1, 99, 50),  // conflict
		[]byte("hello"),                     // decode
		payload("dev-1", epoch0+10, 20, 50), // stored
		payload("bad name\x00", epoch0, 20, 50),
	)
	first := s.Handle(t.Context(), b)
	wantOutcome(t, first, 1,
		sluice.BadMessage{Index: 2, Reason: sluice.ReasonDecode},
		sluice.BadMessage{Index: 4, Reason: sluice.ReasonDeviceName, Device: "bad name\uFFFD"},
		sluice.BadMessage{Index: 1, Reason: sluice.ReasonConflict, Device: "dev-1"},
	)
	wantRows(t, pool, 4)

	// What the rows would say now does not matter, nor do the sink's settings.
	exec(t, pool, "DELETE FROM data.sensor WHERE epoch = $1", epoch0)
	b.Attempt = 2
	again := sinkOf(t, pool, SensorConfig{EpochMin: b.Messages[0].Received}).Handle(t.Context(), b)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("outcome of the replay (-first +again):\n%s", diff)
	}
	if got := query[int](t, pool, "SELECT count(*) FROM data.sensor"); got != 3 {
		t.Errorf("got %d rows after the replay, want 3", got)
	}
}

func TestSensor_ReplayOfAGoodBatch(t *testing.T) {
	t.Parallel()
	s, pool := newSink(t)
	b := readings("dev-1", epoch0, 5)
	for range 3 {
		wantOutcome(t, s.Handle(t.Context(), b), 0)
	}
	wantRows(t, pool, 5)
	if stored := query[[]byte](t, pool, "SELECT outcome FROM sluice.applied_batch"); stored != nil {
		t.Errorf("got outcome %q, want null", stored)
	}
}

func TestSensor_OnlyBadMessages(t *testing.T) {
	t.Parallel()
	s, pool := newSink(t)
	b := newBatch([]byte("x"), []byte("y"))
	for range 2 {
		wantOutcome(t, s.Handle(t.Context(), b), 0,
			sluice.BadMessage{Index: 0, Reason: sluice.ReasonDecode}, sluice.BadMessage{Index: 1, Reason: sluice.ReasonDecode})
	}
	wantOutcome(t, s.Handle(t.Context(), newBatch()), 0)
	wantRows(t, pool, 0)
}

func TestSensor_LeavesNoTransactionOpen(t *testing.T) {
	t.Parallel()
	s, pool := newSink(t)
	good := readings("dev-1", epoch0, 5)
	repeated := readings("dev-1", epoch0, 5)
	for _, b := range []*sluice.Batch{good, good, repeated, repeated} {
		_ = s.Handle(t.Context(), b)
	}
	if n := query[int](t, pool, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"); n != 0 {
		t.Errorf("got %d open transactions", n)
	}
	if total, fresh := pool.Stat().TotalConns(), pool.Stat().NewConnsCount(); int64(total) != fresh {
		t.Errorf("%d of %d connections were thrown away", fresh-int64(total), fresh)
	}
}

// One facility, many sinks: ids follow the order of COMMIT, so that a reader who
// goes on from the highest id it has seen misses nothing.
func TestSensor_ConcurrentSinks_ATailSkipsNothing(t *testing.T) {
	t.Parallel()
	const sinks, batches, size = 4, 25, 20
	pool := newDatabase(t)
	var wg sync.WaitGroup
	for n := range sinks {
		s := sinkOf(t, pool, SensorConfig{})
		wg.Go(func() {
			for i := range batches {
				// Every fifth batch takes the careful path.
				b := readings(fmt.Sprintf("dev-%d", n), epoch0+int64(i*size), size)
				duplicates := 0
				if i%5 == 4 {
					b.Messages[0], duplicates = b.Messages[1], 1
				}
				var e *sluice.BatchError
				if err := s.Handle(t.Context(), b); duplicates == 0 && err != nil ||
					duplicates == 1 && (!errors.As(err, &e) || e.Duplicates != 1) {
					t.Errorf("got %v, want %d duplicates", err, duplicates)
				}
			}
		})
	}
	stop := make(chan struct{})
	go func() { wg.Wait(); close(stop) }()

	var seen int64
	for last := false; !last; {
		select {
		case <-stop:
			last = true
		default:
		}
		rows, err := pool.Query(t.Context(), "SELECT entry_id FROM data.sensor WHERE entry_id > $1 ORDER BY entry_id", seen)
		if err != nil {
			t.Fatal(err)
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			if id != seen+1 {
				t.Fatalf("after entry %d the tail saw %d", seen, id)
			}
			seen = id
		}
	}
	want := int64(sinks * (batches*size - batches/5))
	if seen != want {
		t.Errorf("the tail saw %d rows, want %d", seen, want)
	}
}

func TestSensor_FacilitiesDoNotShareEntriesOrReadings(t *testing.T) {
	t.Parallel()
	one, pool := newSink(t)
	id, err := Facility(t.Context(), pool, "plant-2")
	if err != nil {
		t.Fatal(err)
	}
	two := NewSensor(pool, id, SensorConfig{})
	wantOutcome(t, one.Handle(t.Context(), readings("dev-1", epoch0, 3)), 0)
	wantOutcome(t, two.Handle(t.Context(), readings("dev-1", epoch0, 3)), 0)
	if got := query[[]int64](t, pool, "SELECT array_agg(entry_id ORDER BY facility_id, entry_id) FROM data.sensor"); !cmp.Equal(got, []int64{1, 2, 3, 1, 2, 3}) {
		t.Errorf("got entries %v", got)
	}
}
