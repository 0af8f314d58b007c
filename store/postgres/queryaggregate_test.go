package postgres

import (
	"testing"

	"sluice/store"
)

// A page ends after a number of readings, so that one of long buckets ends in time.
func TestQueries_Buckets_EndsEarly(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	fill(t, pool, 700, "plant-1") // 100 of each device
	for most, want := range map[int64]int{1: 1, 100: 1, 101: 2, 200: 2, 601: 7, 5000: 7} {
		for _, devices := range [][]string{nil, {"dev-0", "dev-1", "dev-2", "dev-3", "dev-4", "dev-5", "dev-6"}} {
			q := store.AggregateQuery{Facilities: []int32{1}, Devices: devices, Limit: 1000}
			a := aggregation{q: NewQueries(pool), AggregateQuery: whole(q), most: most}
			page, more, err := a.page(t.Context())
			if err != nil || len(page) != want || more != (most <= 700) {
				t.Errorf("at most %d of %d devices: got %d buckets, more %t, %v, want %d", most, len(devices), len(page), more, err, want)
			}
		}
	}
}
