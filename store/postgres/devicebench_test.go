package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"sluice"
	pb "sluice/gen/sluicev1"
	"sluice/internal/testenv"
	"sluice/store"
	"sluice/store/storetest"
)

// BenchmarkDecodeAndFold is what an event costs the client before it is sent.
func BenchmarkDecodeAndFold(b *testing.B) {
	batch := benchEvents(10_000, 2000, 0)(storetest.Changed, 0)
	b.ReportAllocs()
	for b.Loop() {
		events, _ := store.DecodeEvents(batch)
		steps, _ := store.Fold(events)
		(&Devices{}).statements(steps, nil)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*2000), "ns/row")
}

// BenchmarkDevices stores b.N batches of 2000 events of different devices out of
// so many, each in a cluster of its own that has a year of outages, and reports
// the CPU time of all its processes and of this one, in us per event:
//
//	go test -run '^$' -bench Devices -benchtime 50x ./store/postgres
//
// outages and their recoveries and reports come in turn; b.N counts batches.
func BenchmarkDevices(b *testing.B) {
	const size = 2000
	for _, devices := range []int{10_000, 1_000_000} {
		server := testenv.Postgres(b)
		pool := migrated(b, server.Database())
		d := NewDevices(pool, 1)
		exec(b, pool, `INSERT INTO data.device SELECT 1, 'dev-' || i, 'up', 1, now(), now(), NULL, NULL, '', false, NULL, 0
			FROM generate_series(0, $1::int - 1) i`, devices)
		exec(b, pool, `INSERT INTO data.outage SELECT 1, 'dev-' || i % $1::int, to_timestamp(1e9 + i / $1::int), now(), now(), 'lwt', 'connect', false, '', '{chat:x}'
			FROM generate_series(0, 999999) i`, devices)
		exec(b, pool, "VACUUM ANALYZE data.device, data.outage")
		turn := 0 // of all runs
		for _, bc := range []struct {
			name  string
			kinds []pb.PresenceKind
		}{{"changed", []pb.PresenceKind{storetest.Changed}}, {"outage,recovery,reported", []pb.PresenceKind{storetest.Fell, storetest.Reported, storetest.CameBack}}} {
			b.Run(fmt.Sprintf("devices=%d/%s", devices, bc.name), func(b *testing.B) {
				exec(b, pool, "CHECKPOINT")
				var batches []*sluice.Batch
				var next func(pb.PresenceKind, int64) *sluice.Batch
				for i := range b.N {
					k := i % len(bc.kinds)
					if k == 0 {
						next = benchEvents(devices, size, turn)
					}
					turn++
					batches = append(batches, next(bc.kinds[k], int64(turn)))
				}
				own, theirs := cpu(b, os.Getpid()), cpu(b, server.PIDs()...)
				b.ResetTimer()
				for _, batch := range batches {
					must(b, d.Handle(context.Background(), batch))
				}
				b.StopTimer()
				rows := float64(b.N * size)
				b.ReportMetric(float64((cpu(b, server.PIDs()...)-theirs).Nanoseconds())/1e3/rows, "server-us/row")
				b.ReportMetric(float64((cpu(b, os.Getpid())-own).Nanoseconds())/1e3/rows, "client-us/row")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1e3/rows, "wall-us/row")
			})
		}
	}
}

// benchEvents returns a maker of batches: events of one kind about size devices
// by chance out of so many, whose outage began at down.
func benchEvents(devices, size, down int) func(kind pb.PresenceKind, version int64) *sluice.Batch {
	chosen := make(map[int]bool, size)
	for len(chosen) < size {
		chosen[rand.IntN(devices)] = true
	}
	return func(kind pb.PresenceKind, version int64) *sluice.Batch {
		events := make([]*pb.PresenceEvent, 0, size)
		for i := range chosen {
			events = append(events, storetest.Event(kind, fmt.Sprintf("dev-%d", i), version, int64(down)+10, func(e *pb.PresenceEvent) {
				e.ConnectedAt, e.SeenAt = storetest.Micros(1), storetest.Micros(version)
			}))
		}
		return storetest.PresenceBatch(events...)
	}
}
