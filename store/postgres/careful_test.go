package postgres

import (
	"testing"

	"sluice"
	"sluice/store/storetest"
)

func conflictAt(index int, device string) sluice.BadMessage {
	return sluice.BadMessage{Index: index, Reason: sluice.ReasonConflict, Device: device}
}

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

// The writer's role of a deployment may insert readings and read their keys, but
// not their values; the sink must do with that.
func TestSensor_WriterNeedsNoSightOfTheValues(t *testing.T) {
	t.Parallel()
	s, pool := newSink(t)
	exec(t, pool, `DO $$ BEGIN CREATE ROLE sluice_test_writer; EXCEPTION WHEN duplicate_object THEN NULL; END $$`)
	for _, grant := range []string{
		"GRANT USAGE ON SCHEMA data, sluice TO sluice_test_writer",
		"GRANT INSERT, SELECT (entry_id, facility_id, device, epoch) ON data.sensor TO sluice_test_writer",
		"GRANT SELECT, INSERT ON data.facility TO sluice_test_writer",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sluice TO sluice_test_writer",
		"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA sluice TO sluice_test_writer",
	} {
		exec(t, pool, grant)
	}
	writer := newPool(t, pool.Config().ConnString()+"&role=sluice_test_writer")
	w := sinkOf(t, writer, SensorConfig{})
	storetest.WantOutcome(t, w.Handle(t.Context(), storetest.Readings("dev-1", storetest.Epoch, 10)), 0)
	storetest.WantOutcome(t, w.Handle(t.Context(), storetest.Batch(storetest.Payload("dev-1", storetest.Epoch, 20, 50), storetest.Payload("dev-1", storetest.Epoch+1, 1, 1))), 1, conflictAt(1, "dev-1"))
	if _, err := writer.Exec(t.Context(), "SELECT temp FROM data.sensor"); stateOf(err) != "42501" {
		t.Errorf("reading temperatures: got %v, want it refused", err)
	}
	storetest.WantOutcome(t, s.Handle(t.Context(), storetest.Readings("dev-1", storetest.Epoch, 10)), 10)
}
