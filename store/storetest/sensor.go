package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice"
	"sluice/store"
)

func sensorStoresRowsInOrder(t *testing.T, s Store) {
	h := sensor(t, s, "plant-1")
	WantOutcome(t, h.Handle(t.Context(), Batch(Payload("dev-1", Epoch, 21.5, 40), Payload("dev-2", Epoch, -3.25, 99.1))), 0)
	WantOutcome(t, h.Handle(t.Context(), Batch(Payload("dev-1", Epoch+1, 0, 0))), 0)
	want := []Row{
		{1, 1, "dev-1", 21.5, 40, Epoch},
		{1, 2, "dev-2", -3.25, 99.1, Epoch},
		{1, 3, "dev-1", 0, 0, Epoch + 1},
	}
	if diff := cmp.Diff(want, rowsOf(t, s, 1)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	wantRows(t, s, 3, 1)
}

func sensorReplay(t *testing.T, s Store) {
	h := sensor(t, s, "plant-1")
	good := Readings("dev-1", Epoch, 3)
	for range 3 {
		WantOutcome(t, h.Handle(t.Context(), good), 0)
	}
	b := Batch(
		Payload("dev-1", Epoch, 20, 50),    // duplicate
		Payload("dev-1", Epoch+1, 99, 50),  // conflict
		[]byte("hello"),                    // decode
		Payload("dev-1", Epoch+10, 20, 50), // stored
		Payload("bad name\x00", Epoch, 20, 50),
	)
	first := h.Handle(t.Context(), b)
	WantOutcome(t, first, 1,
		conflictAt(1, "dev-1"),
		sluice.BadMessage{Index: 2, Reason: sluice.ReasonDecode},
		sluice.BadMessage{Index: 4, Reason: sluice.ReasonDeviceName, Device: "bad name\uFFFD"},
	)
	// What is stored meanwhile does not matter, nor do the sink's settings.
	WantOutcome(t, h.Handle(t.Context(), Batch(Payload("dev-1", Epoch+20, 20, 50))), 0)
	b.Attempt = 2
	later := s.NewSensor(1, b.Messages[0].Received, 0)
	if diff := cmp.Diff(first, later.Handle(t.Context(), b)); diff != "" {
		t.Errorf("outcome of the replay (-first +again):\n%s", diff)
	}
	wantRows(t, s, 5, 1)
}

func sensorOnlyBadMessages(t *testing.T, s Store) {
	h := sensor(t, s, "plant-1")
	b := Batch([]byte("x"), []byte("y"))
	for range 2 {
		WantOutcome(t, h.Handle(t.Context(), b), 0,
			sluice.BadMessage{Index: 0, Reason: sluice.ReasonDecode}, sluice.BadMessage{Index: 1, Reason: sluice.ReasonDecode})
	}
	WantOutcome(t, h.Handle(t.Context(), Batch()), 0)
	wantRows(t, s, 0, 1)
}

// One facility, many sinks: ids follow the order of COMMIT, so that a reader who
// goes on from the highest id it has seen misses nothing.
func sensorTail(t *testing.T, s Store) {
	const sinks, batches, size = 4, 25, 20
	id := facility(t, s, "plant-1")
	var wg sync.WaitGroup
	for n := range sinks {
		h := s.NewSensor(id, time.Time{}, 0)
		wg.Go(func() {
			for i := range batches {
				// Every fifth batch takes the careful path.
				b := Readings(fmt.Sprintf("dev-%d", n), Epoch+int64(i*size), size)
				duplicates := 0
				if i%5 == 4 {
					b.Messages[0], duplicates = b.Messages[1], 1
				}
				var e *sluice.BatchError
				if err := h.Handle(t.Context(), b); duplicates == 0 && err != nil ||
					duplicates == 1 && (!errors.As(err, &e) || e.Duplicates != 1) {
					t.Errorf("got %v, want %d duplicates", err, duplicates)
				}
			}
		})
	}
	defer wg.Wait() // also when the tail has failed: writers outlive no test
	stop := make(chan struct{})
	go func() { wg.Wait(); close(stop) }()
	if seen, want := follow(t, s, id, stop), int64(sinks*(batches*size-batches/5)); seen != want {
		t.Errorf("the tail saw %d rows, want %d", seen, want)
	}
}

// follow reads the entries of a facility as they come, once more after stop, and checks
// that each is the next.
func follow(t *testing.T, s Store, id int32, stop <-chan struct{}) (seen int64) {
	for last := false; !last; {
		select {
		case <-stop:
			last = true
		default:
		}
		for _, r := range ReadAll(t, s.Sensor(store.SensorQuery{Facilities: []int32{id}, After: map[int32]int64{id: seen}}), 1<<40) {
			if r.Entry != seen+1 {
				t.Fatalf("after entry %d the tail saw %d", seen, r.Entry)
			}
			seen = r.Entry
		}
	}
	return seen
}

func sensorFacilities(t *testing.T, s Store) {
	one, two := sensor(t, s, "plant-1"), sensor(t, s, "plant-2")
	WantOutcome(t, one.Handle(t.Context(), Readings("dev-1", Epoch, 3)), 0)
	WantOutcome(t, two.Handle(t.Context(), Readings("dev-1", Epoch, 3)), 0)
	wantRows(t, s, 3, 1, 2)
	WantOutcome(t, one.Handle(t.Context(), Readings("dev-1", Epoch, 4)), 3)
	wantRows(t, s, 4, 1)
	wantRows(t, s, 3, 2)
}

func sensorManyWorkers(t *testing.T, s Store) {
	h := sensor(t, s, "plant-1")
	b := Batch(Payload("dev-1", Epoch, 20, 50), Payload("dev-1", Epoch, 20, 50), []byte("x"))
	var waiting []<-chan error
	for range 8 {
		waiting = append(waiting, Handle(t.Context(), h, b))
	}
	for _, done := range waiting {
		WantOutcome(t, <-done, 1, sluice.BadMessage{Index: 2, Reason: sluice.ReasonDecode})
	}
	wantRows(t, s, 1, 1)
}

// What an operator broke loses no message, halts the route at the latest with the fifth
// attempt, and is over as soon as it is mended.
func sensorTableGone(t *testing.T, s Store) {
	h := sensor(t, s, "plant-1")
	must(t, s.LoseReadings(t.Context()))
	b := Readings("dev-1", Epoch, 20)
	for b.Attempt = 1; b.Attempt <= 5; b.Attempt++ {
		if err := h.Handle(t.Context(), b); !again(err) && !IsHalt(err) || b.Attempt == 5 && !IsHalt(err) {
			t.Fatalf("attempt %d: got %v, want a halt, at first perhaps an error to be tried again", b.Attempt, err)
		}
	}
	must(t, s.FindReadings(t.Context()))
	WantOutcome(t, h.Handle(t.Context(), b), 0)
	wantRows(t, s, 20, 1)
}

func sensorCounterBehind(t *testing.T, s Store) {
	h := sensor(t, s, "plant-1")
	WantOutcome(t, h.Handle(t.Context(), Readings("dev-1", Epoch, 10)), 0)
	must(t, s.SetBackCounter(t.Context()))
	b := Readings("dev-2", Epoch, 20)
	if err := h.Handle(t.Context(), b); !IsHalt(err) {
		t.Fatalf("got %v, want a halt", err)
	}
	must(t, s.RestoreCounter(t.Context()))
	WantOutcome(t, h.Handle(t.Context(), b), 0)
	wantRows(t, s, 30, 1)
}

func sensorUnknownFacility(t *testing.T, s Store) {
	if err := s.NewSensor(99, time.Time{}, 0).Handle(t.Context(), Readings("dev-1", Epoch, 1)); !IsHalt(err) {
		t.Errorf("got %v, want a halt", err)
	}
}

func sensorCancelled(t *testing.T, s Store) {
	h := sensor(t, s, "plant-1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := Readings("dev-1", Epoch, 10)
	b.Attempt = 1000
	if err := h.Handle(ctx, b); !again(err) {
		t.Errorf("got %v, want an error to be tried again", err)
	}
	WantOutcome(t, h.Handle(t.Context(), b), 0)
	wantRows(t, s, 10, 1)
}

// filtered returns those of rows that keep chooses.
func filtered(rows []Row, keep func(Row) bool) []Row {
	return slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return !keep(r) })
}
