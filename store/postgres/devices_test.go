package postgres

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	pb "sluice/gen/sluicev1"
	"sluice/internal/testenv"
	"sluice/store/storetest"
)

func newDevices(t testing.TB) (*Devices, *pgxpool.Pool) {
	t.Helper()
	pool := newDatabase(t)
	id, err := Facility(t.Context(), pool, "plant-1")
	if err != nil {
		t.Fatal(err)
	}
	return NewDevices(pool, id), pool
}

// A plan made for small tables must not be one that searches them: they grow to a
// fleet before they are analyzed again. All devices go down in one microsecond,
// as those do that did not come back after a restart of the broker.
func TestDevices_FirstStormOfAFacility_LooksUpByKey(t *testing.T) {
	t.Parallel()
	// One session, which keeps its first plans; to them the disk is slow.
	pool := migrated(t, testenv.Database(t)+"&pool_max_conns=1&plan_cache_mode=force_generic_plan&random_page_cost=4")
	exec(t, pool, "ALTER TABLE data.outage SET (autovacuum_enabled = off)")
	exec(t, pool, "ALTER TABLE data.device SET (autovacuum_enabled = off)")
	d := NewDevices(pool, 1)
	var version int64
	all := func(batches, size int) {
		down := version + 100
		for i, kind := range []pb.PresenceKind{storetest.Changed, storetest.Fell, storetest.Reported, storetest.Fell, storetest.CameBack, storetest.Forgotten} {
			version++
			for b := range batches {
				var events []*pb.PresenceEvent
				for n := range size {
					events = append(events, storetest.Event(kind, fmt.Sprintf("dev-%d", b*size+n), version, down+int64(i/3), nil))
				}
				storetest.WantOutcome(t, d.Handle(t.Context(), storetest.PresenceBatch(events...)), 0)
			}
		}
	}
	all(10, 1)
	exec(t, pool, "VACUUM ANALYZE data.outage, data.device")
	all(10, 1)
	const reads = `SELECT sum(seq_tup_read + idx_tup_fetch)::bigint + (
		SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE schemaname = 'data')
		FROM pg_stat_user_tables WHERE schemaname = 'data'`
	exec(t, pool, "SELECT pg_stat_force_next_flush()")
	before := query[int64](t, pool, reads)
	const batches, size = 10, 500
	all(batches, size)
	exec(t, pool, "SELECT pg_stat_force_next_flush()")
	perEvent := float64(query[int64](t, pool, reads)-before) / (6 * batches * size)
	t.Logf("%.1f rows read per event", perEvent)
	if perEvent > 10 {
		t.Errorf("%.1f rows were read per event, want a few", perEvent)
	}
}

func TestDevices_TableMissingHalts(t *testing.T) {
	t.Parallel()
	d, pool := newDevices(t)
	b := storetest.PresenceBatch(storetest.Event(storetest.Changed, "a", 1, 0, nil))
	exec(t, pool, "ALTER TABLE data.device RENAME TO elsewhere")
	if err := d.Handle(t.Context(), b); !storetest.IsHalt(err) || !strings.Contains(err.Error(), "sluice db migrate") {
		t.Errorf("got %v, want a halt with the command", err)
	}
	exec(t, pool, "ALTER TABLE data.elsewhere RENAME TO device")
	storetest.WantOutcome(t, d.Handle(t.Context(), b), 0)
	if n := query[int](t, pool, "SELECT count(*) FROM data.device"); n != 1 {
		t.Errorf("got %d devices after the repair, want 1", n)
	}
}
