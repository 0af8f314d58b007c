package postgres

import (
	"testing"
)

func TestPrune_RemovesWhatIsOld(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	exec(t, pool, `INSERT INTO sluice.applied_batch (id, applied_at)
		SELECT gen_random_uuid(), now() - interval '31 days' FROM generate_series(1, $1)`, 2*pruneStep+10)
	exec(t, pool, `INSERT INTO sluice.applied_batch (id, applied_at) VALUES (gen_random_uuid(), now() - interval '29 days'), (gen_random_uuid(), now())`)
	exec(t, pool, `INSERT INTO sluice.dead_letter (facility_id, route, device, topic, payload, received, reason, code, detail, at, stored_at)
		SELECT 1 + g / 34, 'r', '', 't', '', now(), 'decode', '', '', now(), now() - make_interval(days => g) FROM generate_series(28, 34) g`) // the last of another facility
	removed, err := Prune(t.Context(), pool, 1, DefaultKeep)
	if want := int64(2*pruneStep + 10 + 4); err != nil || removed != want {
		t.Errorf("removed %d (%v), want %d", removed, err, want)
	}
	if n := query[int](t, pool, "SELECT count(*) FROM sluice.applied_batch"); n != 2 {
		t.Errorf("got %d applied batches left, want 2", n)
	}
	if n := query[int](t, pool, "SELECT count(*) FROM sluice.dead_letter"); n != 3 {
		t.Errorf("got %d dead letters left, want 3", n)
	}
}
