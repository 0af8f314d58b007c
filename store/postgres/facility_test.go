package postgres

import (
	"testing"
)

func TestFacility_RegistersOnce(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	got := make(chan int32)
	for range 4 {
		go func() {
			id, err := Facility(t.Context(), pool, "plant-1")
			if err != nil {
				t.Error(err)
			}
			got <- id
		}()
	}
	first := <-got
	for range 3 {
		if id := <-got; id != first || id == 0 {
			t.Errorf("got %d and %d for one facility", first, id)
		}
	}
	other, err := Facility(t.Context(), pool, "plant-2")
	if err != nil || other == first {
		t.Errorf("got %d (%v) for another facility", other, err)
	}
	if n := query[int](t, pool, "SELECT count(*) FROM sluice.entry_counter WHERE last_id = 0"); n != 2 {
		t.Errorf("got %d counters at 0, want 2", n)
	}
}

func TestFacility_RefusesBadNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "a b", "-a", "a/b", "a\x00", "ä"} {
		if _, err := Facility(t.Context(), nil, name); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
}

// Readings that were imported before the first router keep their entry ids.
func TestFacility_CounterBeginsBehindImportedRows(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	exec(t, pool, "INSERT INTO data.facility (name) VALUES ('plant-1')")
	exec(t, pool, "INSERT INTO data.sensor (entry_id, facility_id, device, temp, rh, epoch) SELECT g, 1, 'old', 1, 1, g FROM generate_series(1, 10) g")
	s := sinkOf(t, pool, SensorConfig{})
	wantOutcome(t, s.Handle(t.Context(), readings("dev-1", epoch0, 5)), 0)
	wantRows(t, pool, 15)
}
