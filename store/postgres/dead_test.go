package postgres

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice"
	"sluice/store"
	"sluice/store/storetest"
)

func newDead(t testing.TB) (*Dead, *pgxpool.Pool) {
	t.Helper()
	pool := newDatabase(t)
	id, err := Facility(t.Context(), pool, "plant-1")
	if err != nil {
		t.Fatal(err)
	}
	return NewDead(pool, id), pool
}

func TestDead_TableMissingHalts(t *testing.T) {
	t.Parallel()
	d, pool := newDead(t)
	exec(t, pool, "DROP TABLE sluice.dead_letter")
	if err := d.Handle(t.Context(), storetest.DeadBatch(t, storetest.Letter(0, nil))); !storetest.IsHalt(err) {
		t.Errorf("got %v, want a halt", err)
	}
}

func TestDropDeadMatching(t *testing.T) {
	t.Parallel()
	d, pool := newDead(t)
	other := func(l *sluice.DeadLetter) { l.Device = "dev-2" }
	storetest.WantOutcome(t, d.Handle(t.Context(), storetest.DeadBatch(t, storetest.Letter(0, nil), storetest.Letter(1, other), storetest.Letter(2, other))), 0)
	if n, err := DropDeadMatching(t.Context(), pool, store.DeadFilter{Device: "dev-2"}); n != 2 || err != nil {
		t.Errorf("dropped %d (%v), want 2", n, err)
	}
	if left, err := ListDead(t.Context(), pool, store.DeadFilter{}, 0, 10); len(left) != 1 || left[0].Device != "dev-1" || err != nil {
		t.Errorf("left are %v (%v)", left, err)
	}
}
