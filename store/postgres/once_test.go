package postgres

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"sluice"
)

func TestOnce_AppliesABatchOnce(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	exec(t, pool, "CREATE TABLE door (opened int)")
	calls := 0
	b := newBatch([]byte("1"), []byte("2"), []byte("x"))
	bad := []sluice.BadMessage{{Index: 2, Reason: "no_number", Device: "\xff", Detail: "NUL \x00"}}
	open := func(ctx context.Context, tx pgx.Tx) error {
		calls++
		if _, err := tx.Exec(ctx, "INSERT INTO door VALUES (1), (2)"); err != nil {
			return err
		}
		return fmt.Errorf("doors: %w", &sluice.BatchError{Bad: bad, Duplicates: 1})
	}
	first := Once(t.Context(), pool, b, open)
	wantOutcome(t, first, 1, sluice.BadMessage{Index: 2, Reason: "no_number", Device: "\uFFFD"})
	if diff := cmp.Diff(first, Once(t.Context(), pool, b, open)); diff != "" {
		t.Errorf("outcome of the replay (-first +again):\n%s", diff)
	}
	if n := query[int](t, pool, "SELECT count(*) FROM door"); n != 2 || calls != 1 {
		t.Errorf("got %d rows from %d calls, want 2 from 1", n, calls)
	}
}

func TestOnce_AnErrorTakesEverythingBack(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	exec(t, pool, "CREATE TABLE door (opened int)")
	b := newBatch([]byte("1"))
	fail := errors.New("not today")
	insert := func(result error) func(context.Context, pgx.Tx) error {
		return func(ctx context.Context, tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "INSERT INTO door VALUES (1)"); err != nil {
				return err
			}
			return result
		}
	}
	if err := Once(t.Context(), pool, b, insert(fail)); err != fail {
		t.Errorf("got %v, want the handler's own error", err)
	}
	if n := query[int](t, pool, "SELECT count(*) FROM door"); n != 0 {
		t.Errorf("got %d rows after an error, want 0", n)
	}
	wantOutcome(t, Once(t.Context(), pool, b, insert(nil)), 0)
	wantOutcome(t, Once(t.Context(), pool, b, insert(fail)), 0)
	if n := query[int](t, pool, "SELECT count(*) FROM door"); n != 1 {
		t.Errorf("got %d rows, want 1", n)
	}
}

func TestOnce_PanicLeavesNothing(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	b := newBatch([]byte("1"))
	func() {
		defer func() { _ = recover() }()
		_ = Once(t.Context(), pool, b, func(context.Context, pgx.Tx) error { panic("defect") })
	}()
	called := false
	wantOutcome(t, Once(t.Context(), pool, b, func(context.Context, pgx.Tx) error { called = true; return nil }), 0)
	if !called {
		t.Error("the batch counts as applied after a panic")
	}
}

func TestOnce_ErrorsOfTheDatabase(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	exec(t, pool, "CREATE TABLE door (opened int NOT NULL)")
	for _, tc := range []struct {
		name, sql string
		attempt   int
		halt      bool
	}{
		{"table missing", "INSERT INTO window_ VALUES (1)", 1, true},
		{"data", "INSERT INTO door VALUES (NULL)", 1, false},
		{"data, fifth attempt", "INSERT INTO door VALUES (NULL)", 5, true},
	} {
		b := newBatch([]byte("1"))
		b.Attempt = tc.attempt
		err := Once(t.Context(), pool, b, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, tc.sql)
			return err
		})
		if err == nil || isHalt(err) != tc.halt {
			t.Errorf("%s: got %v, want halt %t", tc.name, err, tc.halt)
		}
	}
}

func TestOnce_TwoWorkersWithOneBatch(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	exec(t, pool, "CREATE TABLE door (opened int)")
	b := newBatch([]byte("1"))
	h := sluice.HandlerFunc(func(ctx context.Context, b *sluice.Batch) error {
		return Once(ctx, pool, b, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO door VALUES (1)")
			return err
		})
	})
	one, two := handle(t.Context(), h, b), handle(t.Context(), h, b)
	wantOutcome(t, <-one, 0)
	wantOutcome(t, <-two, 0)
	if n := query[int](t, pool, "SELECT count(*) FROM door"); n != 1 {
		t.Errorf("got %d rows, want 1", n)
	}
}
