package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice"
	pb "sluice/gen/sluicev1"
	"sluice/store"
)

// A batch as large as they come, with a few readings that are there, as they are or with
// other values.
func sensorBigBatch(t *testing.T, s Store) {
	h := sensor(t, s, "plant-1")
	stored := Batch(Payload("dev-1", Epoch+17, 1, 1), Payload("dev-1", Epoch+2500, 20, 50), Payload("dev-1", Epoch+4999, 1, 1))
	WantOutcome(t, h.Handle(t.Context(), stored), 0)
	b := Readings("dev-1", Epoch, 5000)
	for range 2 { // the second is a replay
		WantOutcome(t, h.Handle(t.Context(), b), 1, conflictAt(17, "dev-1"), conflictAt(4999, "dev-1"))
		wantRows(t, s, 5000, 1)
	}
}

// Workers whose batches have readings in common store each of these once.
func sensorOverlappingBatches(t *testing.T, s Store) {
	const workers, size, step = 8, 100, 50
	h := sensor(t, s, "plant-1")
	var done []<-chan error
	for w := range workers {
		done = append(done, Handle(t.Context(), h, Readings("dev-1", Epoch+int64(w*step), size)))
	}
	duplicates := 0
	for _, result := range done {
		err := <-result
		var partly *sluice.BatchError
		if errors.As(err, &partly) {
			duplicates += partly.Duplicates
		} else if err != nil {
			t.Error(err)
		}
		if partly != nil && len(partly.Bad) > 0 {
			t.Errorf("got bad messages: %v", partly.Bad)
		}
	}
	want := (workers-1)*step + size
	if duplicates != workers*size-want {
		t.Errorf("got %d duplicates, want %d", duplicates, workers*size-want)
	}
	wantRows(t, s, want, 1)
}

// A question whose asker is gone is not answered, and the next one is.
func queriesCancelled(t *testing.T, s Store) {
	fill(t, s, 100, "plant-1")
	mark, err := s.Mark(t.Context())
	must(t, err)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	ids := []int32{1}
	for name, ask := range map[string]func(context.Context) error{
		"facilities":   func(ctx context.Context) error { _, err := s.Facilities(ctx); return err },
		"last entries": func(ctx context.Context) error { _, err := s.LastEntries(ctx); return err },
		"readings": func(ctx context.Context) error {
			_, err := s.Sensor(store.SensorQuery{Facilities: ids}).Page(ctx, 9)
			return err
		},
		"buckets": func(ctx context.Context) error {
			_, _, err := s.Buckets(ctx, store.AggregateQuery{Facilities: ids, Limit: 9})
			return err
		},
		"devices": func(ctx context.Context) error {
			_, err := s.Devices(ctx, store.DeviceQuery{Facilities: ids, Limit: 9})
			return err
		},
		"outages": func(ctx context.Context) error {
			_, err := s.Outages(ctx, store.OutageQuery{Facilities: ids, Limit: 9})
			return err
		},
		"routes": func(ctx context.Context) error {
			_, err := s.Routes(ctx, store.RouteQuery{Facilities: ids, Limit: 9})
			return err
		},
		"dead letters": func(ctx context.Context) error {
			_, _, err := s.DeadLetters(ctx, store.DeadQuery{Facilities: ids, Limit: 9})
			return err
		},
		"mark":            func(ctx context.Context) error { _, err := s.Mark(ctx); return err },
		"changed devices": func(ctx context.Context) error { _, err := s.ChangedDevices(ctx, mark); return err },
		"changed routes":  func(ctx context.Context) error { _, err := s.ChangedRoutes(ctx, mark); return err },
	} {
		for range 20 { // a choice between two ways may go well
			if err := ask(gone); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: got %v, want that it is cancelled", name, err)
			}
		}
		if err := ask(t.Context()); err != nil {
			t.Errorf("%s, asked again: %v", name, err)
		}
	}
}

// Whoever asks again and again for what changed since the last mark, while writers go on,
// has seen the last state of every device in the end.
func queriesChangedMeanwhile(t *testing.T, s Store) {
	twoPlants(t, s)
	mark, err := s.Mark(t.Context())
	must(t, err)
	var writers sync.WaitGroup
	want := map[string]int64{}
	const versions = 40
	for w := range 4 {
		id, device := int32(1+w%2), fmt.Sprintf("d%d", w)
		want[fmt.Sprintf("plant-%d/%s", id, device)] = versions
		writers.Go(func() {
			for v := range int64(versions) {
				h := s.NewDevices(id)
				if err := h.Handle(t.Context(), PresenceBatch(Event(Changed, device, v+1, 0, nil))); err != nil {
					t.Errorf("%s: %v", device, err)
				}
			}
		})
	}
	defer writers.Wait() // also when a look has failed: writers outlive no test
	ended := make(chan struct{})
	go func() { writers.Wait(); close(ended) }()
	seen := map[string]int64{}
	for last := false; !last; {
		select {
		case <-ended:
			last = true // and one more look
		default:
		}
		mark = look(t, s, mark, seen)
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("generations that were seen (-want +got):\n%s", diff)
	}
}

// look notes the devices that changed since mark, and returns a mark for the next look.
func look(t testing.TB, s Store, mark string, seen map[string]int64) string {
	t.Helper()
	next, err := s.Mark(t.Context())
	must(t, err)
	var devices []*pb.Device
	devices, err = s.ChangedDevices(t.Context(), mark)
	must(t, err)
	for _, d := range devices {
		name := d.Facility + "/" + d.Device
		if d.Generation < seen[name] {
			t.Errorf("%s went back from %d to %d", name, seen[name], d.Generation)
		}
		seen[name] = d.Generation
	}
	return next
}
