package postgres

import (
	"testing"

	"sluice/store/storetest"
)

// Readings that were imported before the first router keep their entry ids.
func TestFacility_CounterBeginsBehindImportedRows(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	exec(t, pool, "INSERT INTO data.facility (name) VALUES ('plant-1')")
	exec(t, pool, "INSERT INTO data.sensor (entry_id, facility_id, device, temp, rh, epoch) SELECT g, 1, 'old', 1, 1, g FROM generate_series(1, 10) g")
	s := sinkOf(t, pool, SensorConfig{})
	storetest.WantOutcome(t, s.Handle(t.Context(), storetest.Readings("dev-1", storetest.Epoch, 5)), 0)
	wantRows(t, pool, 15)
}
