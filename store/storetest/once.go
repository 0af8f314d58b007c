package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice"
)

const (
	makeDoors  = "CREATE TABLE door (opened int NOT NULL)"
	openDoor   = "INSERT INTO door VALUES (1)"
	countDoors = "SELECT count(*) FROM door"
)

func onceApplies(t *testing.T, s Store) {
	must(t, s.Exec(t.Context(), makeDoors))
	calls := 0
	b := Batch([]byte("1"), []byte("2"), []byte("x"))
	bad := []sluice.BadMessage{{Index: 2, Reason: "no_number", Device: "\xff", Detail: "NUL \x00"}}
	open := func(exec func(string) error) error {
		calls++
		if err := exec("INSERT INTO door VALUES (1), (2)"); err != nil {
			return err
		}
		return fmt.Errorf("doors: %w", &sluice.BatchError{Bad: bad, Duplicates: 1})
	}
	first := s.Once(t.Context(), b, open)
	WantOutcome(t, first, 1, sluice.BadMessage{Index: 2, Reason: "no_number", Device: "\uFFFD"})
	if diff := cmp.Diff(first, s.Once(t.Context(), b, open)); diff != "" {
		t.Errorf("outcome of the replay (-first +again):\n%s", diff)
	}
	if n := count(t, s, countDoors); n != 2 || calls != 1 {
		t.Errorf("got %d rows from %d calls, want 2 from 1", n, calls)
	}
}

// opening returns a handler's work that writes and then returns result.
func opening(result error) func(func(string) error) error {
	return func(exec func(string) error) error {
		if err := exec(openDoor); err != nil {
			return err
		}
		return result
	}
}

func onceTakesBack(t *testing.T, s Store) {
	must(t, s.Exec(t.Context(), makeDoors))
	b := Batch([]byte("1"))
	fail := errors.New("not today")
	if err := s.Once(t.Context(), b, opening(fail)); !errors.Is(err, fail) || !again(err) {
		t.Errorf("got %v, want the handler's own error", err)
	}
	if n := count(t, s, countDoors); n != 0 {
		t.Errorf("got %d rows after an error, want 0", n)
	}
	WantOutcome(t, s.Once(t.Context(), b, opening(nil)), 0)
	WantOutcome(t, s.Once(t.Context(), b, opening(fail)), 0)
	if n := count(t, s, countDoors); n != 1 {
		t.Errorf("got %d rows, want 1", n)
	}
}

func oncePanics(t *testing.T, s Store) {
	must(t, s.Exec(t.Context(), makeDoors))
	b := Batch([]byte("1"))
	func() {
		defer func() { _ = recover() }()
		_ = s.Once(t.Context(), b, func(exec func(string) error) error {
			if err := exec(openDoor); err != nil {
				t.Error(err)
			}
			panic("defect")
		})
	}()
	WantOutcome(t, s.Once(t.Context(), b, opening(nil)), 0)
	if n := count(t, s, countDoors); n != 1 {
		t.Errorf("got %d rows, want that of the second attempt", n)
	}
}

func onceErrors(t *testing.T, s Store) {
	must(t, s.Exec(t.Context(), makeDoors))
	for _, sql := range []string{"INSERT INTO nowhere VALUES (1)", "INSERT INTO door VALUES (NULL)"} {
		b := Batch([]byte("1"))
		for b.Attempt = 1; b.Attempt <= 5; b.Attempt++ {
			err := s.Once(t.Context(), b, func(exec func(string) error) error { return exec(sql) })
			if !again(err) && !IsHalt(err) || b.Attempt == 5 && !IsHalt(err) {
				t.Errorf("%s, attempt %d: got %v, want a halt, at first perhaps an error to be tried again", sql, b.Attempt, err)
			}
		}
	}
}

func onceTwoWorkers(t *testing.T, s Store) {
	must(t, s.Exec(t.Context(), makeDoors))
	b := Batch([]byte("1"))
	h := sluice.HandlerFunc(func(ctx context.Context, b *sluice.Batch) error { return s.Once(ctx, b, opening(nil)) })
	one, two := Handle(t.Context(), h, b), Handle(t.Context(), h, b)
	WantOutcome(t, <-one, 0)
	WantOutcome(t, <-two, 0)
	if n := count(t, s, countDoors); n != 1 {
		t.Errorf("got %d rows, want 1", n)
	}
}
