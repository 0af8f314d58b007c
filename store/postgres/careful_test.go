package postgres

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice"
)

func conflictAt(index int, device string) sluice.BadMessage {
	return sluice.BadMessage{Index: index, Reason: sluice.ReasonConflict, Device: device}
}

func dataAt(index int, device, code string) sluice.BadMessage {
	return sluice.BadMessage{Index: index, Reason: sluice.ReasonData, Device: device, Code: code}
}

func TestSensor_DuplicatesOfStoredRows(t *testing.T) {
	t.Parallel()
	s, pool := newSink(t)
	wantOutcome(t, s.Handle(t.Context(), readings("dev-1", epoch0, 100)), 0)
	wantOutcome(t, s.Handle(t.Context(), readings("dev-1", epoch0+50, 100)), 50)
	wantOutcome(t, s.Handle(t.Context(), readings("dev-1", epoch0, 150)), 150)
	wantRows(t, pool, 150)
}

func TestSensor_ConflictWithStoredRow(t *testing.T) {
	t.Parallel()
	s, pool := newSink(t)
	wantOutcome(t, s.Handle(t.Context(), newBatch(payload("dev-1", epoch0, 20, 50), payload("dev-1", epoch0+1, 20, 50))), 0)
	got := s.Handle(t.Context(), newBatch(
		payload("dev-1", epoch0, 20.5, 50), // other temp
		payload("dev-2", epoch0, 20, 50),   // stored
		payload("dev-1", epoch0+1, 20, 51), // other rh
		payload("dev-1", epoch0, 20, 50),   // the stored one, behind one that is not
	))
	wantOutcome(t, got, 1, conflictAt(0, "dev-1"), conflictAt(2, "dev-1"))
	wantRows(t, pool, 3)
	if temp := query[float32](t, pool, "SELECT temp FROM data.sensor WHERE device = 'dev-1' AND epoch = $1", epoch0); temp != 20 {
		t.Errorf("got temp %v, want that of the first reading", temp)
	}
}

func TestSensor_DuplicateAndConflictWithinTheBatch_FirstWins(t *testing.T) {
	t.Parallel()
	s, pool := newSink(t)
	negativeZero := payload("dev-2", epoch0, 0, 1)
	got := s.Handle(t.Context(), newBatch(
		payload("dev-1", epoch0, 1, 1),
		payload("dev-1", epoch0, 2, 2),
		payload("dev-1", epoch0, 1, 1),
		payload("dev-1", epoch0, 2, 2),
		negativeZero,
		payload("dev-2", epoch0, float32(math.Copysign(0, -1)), 1),
	))
	wantOutcome(t, got, 2, conflictAt(1, "dev-1"), conflictAt(3, "dev-1"))
	wantRows(t, pool, 2)
	if temp := query[float32](t, pool, "SELECT temp FROM data.sensor WHERE device = 'dev-1'"); temp != 1 {
		t.Errorf("got temp %v, want 1", temp)
	}
}

func TestSensor_RefusedRowsAreFoundAndTheOthersStored(t *testing.T) {
	t.Parallel()
	s, pool := newSink(t)
	exec(t, pool, "ALTER TABLE data.sensor ADD CHECK (temp < 100)")
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, bad := range [][]int{{0}, {999}, {0, 999}, {500, 501}, {3, 77, 78, 400, 998}, rnd.Perm(1000)[:100]} {
		device := fmt.Sprintf("dev-%d", bad[len(bad)-1])
		slices.Sort(bad)
		b := readings(device, epoch0, 1000)
		var want []sluice.BadMessage
		for _, i := range bad {
			b.Messages[i].Payload = payload(device, epoch0+int64(i), 100, 50)
			want = append(want, dataAt(i, device, "23514"))
		}
		before := query[int](t, pool, "SELECT count(*) FROM data.sensor")
		wantOutcome(t, s.Handle(t.Context(), b), 0, want...)
		wantRows(t, pool, before+1000-len(bad))
		exec(t, pool, "TRUNCATE data.sensor")
		exec(t, pool, "UPDATE sluice.entry_counter SET last_id = 0")
	}
}

func TestSensor_EveryRowRefused(t *testing.T) {
	t.Parallel()
	s, pool := newSink(t)
	exec(t, pool, "ALTER TABLE data.sensor ADD COLUMN note text NOT NULL")
	var want []sluice.BadMessage
	for i := range 7 {
		want = append(want, dataAt(i, "dev-1", "23502"))
	}
	b := readings("dev-1", epoch0, 7)
	for range 2 {
		wantOutcome(t, s.Handle(t.Context(), b), 0, want...)
	}
	wantRows(t, pool, 0)
}

func TestSensor_AnotherUniqueConstraintRefusesRows(t *testing.T) {
	t.Parallel()
	s, pool := newSink(t)
	exec(t, pool, "CREATE UNIQUE INDEX one_temp ON data.sensor (temp)")
	got := s.Handle(t.Context(), newBatch(payload("a", epoch0, 1, 1), payload("b", epoch0, 1, 1), payload("c", epoch0, 2, 1)))
	wantOutcome(t, got, 0, dataAt(1, "b", "23505"))
	wantRows(t, pool, 2)
}

// Everything at once: a stored duplicate, a conflict, a refused row whose place
// the next reading with its key takes, and bad payloads.
func TestSensor_EverythingAtOnce(t *testing.T) {
	t.Parallel()
	s, pool := newSink(t)
	wantOutcome(t, s.Handle(t.Context(), newBatch(payload("a", epoch0, 1, 1))), 0)
	exec(t, pool, "ALTER TABLE data.sensor ADD CHECK (temp < 100)")
	b := newBatch(
		payload("a", epoch0, 1, 1),     // duplicate
		payload("a", epoch0, 2, 1),     // conflict
		payload("b", epoch0, 100, 1),   // refused
		payload("b", epoch0, 2, 1),     // takes its place
		payload("b", epoch0, 3, 1),     // conflicts with that
		payload("b", epoch0, 2, 1),     // duplicate of that
		[]byte("x"),                    // decode
		payload("c", epoch0, 1, 1),     // stored
		payload("b", epoch0+1, 100, 1), // refused, last
	)
	first := s.Handle(t.Context(), b)
	wantOutcome(t, first, 2,
		sluice.BadMessage{Index: 6, Reason: sluice.ReasonDecode},
		conflictAt(1, "a"), dataAt(2, "b", "23514"), dataAt(8, "b", "23514"), conflictAt(4, "b"),
	)
	wantRows(t, pool, 3)
	if diff := cmp.Diff(first, s.Handle(t.Context(), b)); diff != "" {
		t.Errorf("outcome of the replay (-first +again):\n%s", diff)
	}
	wantRows(t, pool, 3)
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
	wantOutcome(t, w.Handle(t.Context(), readings("dev-1", epoch0, 10)), 0)
	wantOutcome(t, w.Handle(t.Context(), newBatch(payload("dev-1", epoch0, 20, 50), payload("dev-1", epoch0+1, 1, 1))), 1, conflictAt(1, "dev-1"))
	if _, err := writer.Exec(t.Context(), "SELECT temp FROM data.sensor"); stateOf(err) != "42501" {
		t.Errorf("reading temperatures: got %v, want it refused", err)
	}
	wantOutcome(t, s.Handle(t.Context(), readings("dev-1", epoch0, 10)), 10)
}
