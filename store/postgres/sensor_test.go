package postgres

import (
	"testing"

	"sluice"
	"sluice/store/storetest"
)

func TestSensor_ReplayOfAGoodBatch(t *testing.T) {
	t.Parallel()
	s, pool := newSink(t)
	b := storetest.Readings("dev-1", storetest.Epoch, 5)
	for range 3 {
		storetest.WantOutcome(t, s.Handle(t.Context(), b), 0)
	}
	wantRows(t, pool, 5)
	if stored := query[[]byte](t, pool, "SELECT outcome FROM sluice.applied_batch"); stored != nil {
		t.Errorf("got outcome %q, want null", stored)
	}
}

func TestSensor_LeavesNoTransactionOpen(t *testing.T) {
	t.Parallel()
	s, pool := newSink(t)
	good := storetest.Readings("dev-1", storetest.Epoch, 5)
	repeated := storetest.Readings("dev-1", storetest.Epoch, 5)
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
