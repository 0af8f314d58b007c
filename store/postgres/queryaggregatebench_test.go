package postgres

import (
	"fmt"
	"testing"

	"sluice/internal/testenv"
	"sluice/store"
	"sluice/store/storetest"
)

// BenchmarkQueriesBuckets reads pages of buckets of a million readings from the
// middle of a facility, as they lie when all devices send in turn. It reports the
// time of a page, and the CPU of the server in us per page and per reading.
//
//	go test -run '^$' -bench QueriesBuckets -benchtime 20x ./store/postgres
func BenchmarkQueriesBuckets(b *testing.B) {
	const stored = 1_000_000
	for _, devices := range []int{100, 10_000} {
		server := testenv.Postgres(b)
		pool := migrated(b, server.Database())
		fill(b, pool, 0, "plant-1")
		exec(b, pool, `INSERT INTO data.sensor SELECT i, 1, 'dev-' || i % $1::int, i % 40, 50, $2::bigint + i / $1::int FROM generate_series(1, $3::int) i`, devices, storetest.Epoch, stored)
		exec(b, pool, "VACUUM ANALYZE data.sensor")
		q := store.AggregateQuery{Facilities: []int32{1}, AfterFacility: 1, AfterDevice: "dev-50", AfterEpoch: storetest.Epoch}
		for _, q.Limit = range []int{100, 1000} {
			for _, q.Seconds = range []int64{1, 10, 100, 0} {
				b.Run(fmt.Sprintf("devices=%d/page=%d/seconds=%d", devices, q.Limit, q.Seconds), func(b *testing.B) {
					rows := int64(0)
					theirs := cpu(b, server.PIDs()...)
					for b.Loop() {
						page, _, err := NewQueries(pool).Buckets(b.Context(), q)
						must(b, err)
						for _, bucket := range page {
							rows += bucket.Count
						}
					}
					us := float64((cpu(b, server.PIDs()...) - theirs).Nanoseconds()) / 1e3
					b.ReportMetric(us/float64(b.N), "server-us/page")
					b.ReportMetric(us/float64(rows), "server-us/row")
					b.ReportMetric(float64(rows)/float64(b.N), "rows/page")
				})
			}
		}
	}
}
