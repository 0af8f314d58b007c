package postgres

import (
	"testing"

	"sluice"
	"sluice/store/storetest"
)

func dataAt(index int, device, code string) sluice.BadMessage {
	return sluice.BadMessage{Index: index, Reason: sluice.ReasonData, Device: device, Code: code}
}

func TestSensor_EveryRowRefused(t *testing.T) {
	t.Parallel()
	s, pool := newSink(t)
	exec(t, pool, "ALTER TABLE data.sensor ADD COLUMN note text NOT NULL")
	var want []sluice.BadMessage
	for i := range 7 {
		want = append(want, dataAt(i, "dev-1", "23502"))
	}
	b := storetest.Readings("dev-1", storetest.Epoch, 7)
	for range 2 {
		storetest.WantOutcome(t, s.Handle(t.Context(), b), 0, want...)
	}
	wantRows(t, pool, 0)
}

func TestSensor_AnotherUniqueConstraintRefusesRows(t *testing.T) {
	t.Parallel()
	s, pool := newSink(t)
	exec(t, pool, "CREATE UNIQUE INDEX one_temp ON data.sensor (temp)")
	got := s.Handle(t.Context(), storetest.Batch(storetest.Payload("a", storetest.Epoch, 1, 1), storetest.Payload("b", storetest.Epoch, 1, 1), storetest.Payload("c", storetest.Epoch, 2, 1)))
	storetest.WantOutcome(t, got, 0, dataAt(1, "b", "23505"))
	wantRows(t, pool, 2)
}
