package storetest

import (
	"testing"
	"time"
)

func facilityRegistersOnce(t *testing.T, s Store) {
	got := make(chan int32)
	for range 4 {
		go func() {
			id, err := s.Facility(t.Context(), "plant-1")
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
	other := facility(t, s, "plant-2")
	last, err := s.LastEntries(t.Context())
	if len(last) != 2 || last[first] != 0 || last[other] != 0 || err != nil || other == first {
		t.Errorf("got counters %v (%v) of facilities %d and %d, want 0 for each", last, err, first, other)
	}
}

func facilityRefusesBadNames(t *testing.T, s Store) {
	for _, name := range []string{"", "a b", "-a", "a/b", "a\x00", "ä"} {
		if _, err := s.Facility(t.Context(), name); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
}

func pruneOld(t *testing.T, s Store) {
	const day = 24 * time.Hour
	one, two := facility(t, s, "plant-1"), facility(t, s, "plant-2")
	// Batches of letters by age: 32 days, 31 (of another facility), 29 and 0.
	for _, step := range []struct {
		facility int32
		letters  int
		then     time.Duration
	}{{one, 2010, day}, {two, 1, 2 * day}, {one, 3, 29 * day}, {one, 2, 0}} {
		b := DeadBatch(t)
		for i := range step.letters {
			b.Messages = append(b.Messages, DeadBatch(t, uniqueLetter(i)).Messages...)
		}
		WantOutcome(t, s.NewDead(step.facility).Handle(t.Context(), b), 0)
		must(t, s.Age(t.Context(), step.then))
	}
	for _, want := range []int64{2010 + 2, 0} { // and the batches of 32 and 31 days
		if n, err := s.Prune(t.Context(), one, 30*day); n != want || err != nil {
			t.Errorf("removed %d (%v), want %d", n, err, want)
		}
	}
	if n := len(listed(t, s)); n != 6 {
		t.Errorf("got %d letters left, want 6", n)
	}
	if n, err := s.Prune(t.Context(), one, day); n != 3 || err != nil {
		t.Errorf("of those of a day: removed %d (%v), want 3", n, err)
	}
}

func pruneRefuses(t *testing.T, s Store) {
	for _, keep := range []time.Duration{0, -time.Hour} {
		if _, err := s.Prune(t.Context(), 1, keep); err == nil {
			t.Errorf("keep %v was accepted", keep)
		}
	}
}
