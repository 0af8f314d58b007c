package postgres

import (
	"math"
	"os"
	"testing"
	"time"

	"sluice/internal/testenv"
	"sluice/store"
	"sluice/store/storetest"
)

// BenchmarkQueriesSensor reads readings of a million, and reports the time and
// the CPU of this process and of the server in us per row.
//
//	go test -run '^$' -bench QueriesSensor -benchtime 3x ./store/postgres
func BenchmarkQueriesSensor(b *testing.B) {
	const stored = 1_000_000
	server := testenv.Postgres(b)
	pool := migrated(b, server.Database())
	fill(b, pool, stored, "plant-1")
	exec(b, pool, "VACUUM ANALYZE data.sensor")
	for name, q := range map[string]store.SensorQuery{
		"all":       {},
		"tenth":     {From: storetest.Epoch + stored/2, To: storetest.Epoch + stored*6/10},
		"by device": {ByDevice: true},
		"device":    {Devices: []string{"dev-3"}},
	} {
		q.Facilities = []int32{1}
		b.Run(name, func(b *testing.B) {
			rows := 0
			own, theirs, began := cpu(b, os.Getpid()), cpu(b, server.PIDs()...), time.Now()
			for b.Loop() {
				r := NewQueries(pool).Sensor(q)
				for {
					chunks, err := r.Page(b.Context(), math.MaxInt64)
					must(b, err)
					if len(chunks) == 0 {
						break
					}
					for _, c := range chunks {
						rows += len(c.EntryId)
					}
				}
			}
			us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 / float64(rows) }
			b.ReportMetric(us(time.Since(began)), "wall-us/row")
			b.ReportMetric(us(cpu(b, os.Getpid())-own), "client-us/row")
			b.ReportMetric(us(cpu(b, server.PIDs()...)-theirs), "server-us/row")
		})
	}
}
