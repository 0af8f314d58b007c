package postgres

import (
	"maps"
	"slices"
	"testing"

	"sluice/store"
)

func TestQueries_LastEntries(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	fill(t, pool, 10, "plant-1", "plant-2")
	exec(t, pool, "INSERT INTO data.facility (name) VALUES ('no router')")
	exec(t, pool, "UPDATE sluice.entry_counter SET last_id = 10 WHERE facility_id = 2")
	got, err := NewQueries(pool).LastEntries(t.Context())
	if want := map[int32]int64{1: 0, 2: 10}; err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

// A reader with bounds gives the entries between them, also with a choice of
// devices and of time.
func TestQueries_Sensor_AfterAndLast(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	fill(t, pool, 9000, "plant-1", "plant-2", "plant-3")
	after, last := map[int32]int64{1: 4500, 3: 9000}, map[int32]int64{1: 8999, 2: 10, 3: 9000}
	for _, q := range []store.SensorQuery{
		{},
		{Devices: []string{"dev-1", "dev-6"}},
		{From: epoch0 + 4000, To: epoch0 + 8500},
		{Devices: []string{"dev-1", "dev-6"}, From: epoch0 + 4000, To: epoch0 + 8500},
	} {
		q.Facilities = []int32{3, 1, 2}
		want := slices.DeleteFunc(expect(t, pool, q), func(r sensorRow) bool {
			return r.Entry <= after[r.Facility] || r.Entry > last[r.Facility]
		})
		q.After, q.Last = after, last
		if got := readAll(t, NewQueries(pool).Sensor(q), 1<<40); !slices.Equal(got, want) {
			t.Errorf("%v, %d to %d: got %d rows, want %d", q.Devices, q.From, q.To, len(got), len(want))
		}
	}
}
