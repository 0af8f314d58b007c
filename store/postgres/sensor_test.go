package postgres

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

type storedRow struct {
	Facility int32
	Entry    int64
	Device   string
	Temp, RH float32
	Epoch    int64
}

func TestSensor_StoresRowsInOrder(t *testing.T) {
	t.Parallel()
	s, pool := newSink(t)
	b := newBatch(payload("dev-1", epoch0, 21.5, 40), payload("dev-2", epoch0, -3.25, 99.5))
	wantOutcome(t, s.Handle(t.Context(), b), 0)
	wantOutcome(t, s.Handle(t.Context(), newBatch(payload("dev-1", epoch0+1, 0, 0))), 0)

	rows, err := pool.Query(t.Context(), "SELECT facility_id, entry_id, device, temp, rh, epoch FROM data.sensor ORDER BY entry_id")
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[storedRow])
	if err != nil {
		t.Fatal(err)
	}
	want := []storedRow{
		{1, 1, "dev-1", 21.5, 40, epoch0},
		{1, 2, "dev-2", -3.25, 99.5, epoch0},
		{1, 3, "dev-1", 0, 0, epoch0 + 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	wantRows(t, pool, 3)
}
