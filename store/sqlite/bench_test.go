package sqlite

import (
	"context"
	"fmt"
	"math"
	"syscall"
	"testing"
	"time"

	"sluice"
	"sluice/store"
	"sluice/store/storetest"
)

const benchBatch = 5000

// BenchmarkSensor stores b.N batches and reports the CPU time of this process, decoding
// and syncs included, in us per row. For the figures of docs/performance.md:
//
//	go test -run '^$' -bench Sensor -benchtime 100x ./store/sqlite
func BenchmarkSensor(b *testing.B) {
	for _, stored := range []int{0, 5_000_000} {
		for _, devices := range []int{100, 10_000} {
			s := newStore(b)
			fillMany(b, s, stored, devices)
			next := stored
			for _, size := range []int{1000, 5000} {
				b.Run(fmt.Sprintf("stored=%d/devices=%d/batch=%d", stored, devices, size), func(b *testing.B) {
					next = benchStore(b, s, devices, next, size)
				})
			}
		}
	}
}

// benchStore stores batches from reading first on and returns the next one.
func benchStore(b *testing.B, s *Store, devices, first, size int) int {
	b.Helper()
	id, err := s.Facility(b.Context(), "plant-1")
	if err != nil {
		b.Fatal(err)
	}
	h := NewSensor(s, id, SensorConfig{})
	first = (first + size - 1) / size // in batches
	var batches []*sluice.Batch
	for i := range b.N {
		batches = append(batches, load(devices, first+i, size))
	}
	began := cpu(b)
	b.ResetTimer()
	for _, batch := range batches {
		if err := h.Handle(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	rows := float64(b.N * size)
	b.ReportMetric(float64((cpu(b)-began).Nanoseconds())/1e3/rows, "cpu-us/row")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1e3/rows, "wall-us/row")
	return (first + b.N) * size
}

// BenchmarkQueries_Sensor reads a million rows.
func BenchmarkQueries_Sensor(b *testing.B) {
	const stored = 1_000_000
	s := newStore(b)
	fillMany(b, s, stored, 10_000)
	for _, byDevice := range []bool{false, true} {
		b.Run(fmt.Sprintf("by_device=%t", byDevice), func(b *testing.B) {
			began := cpu(b)
			for b.Loop() {
				r := NewQueries(s).Sensor(store.SensorQuery{Facilities: []int32{1}, ByDevice: byDevice})
				for rows := 0; rows < stored; {
					page, err := r.Page(context.Background(), math.MaxInt64)
					if err != nil || len(page) == 0 {
						b.Fatalf("after %d rows: %v", rows, err)
					}
					for _, c := range page {
						rows += len(c.EntryId)
					}
				}
			}
			b.ReportMetric(float64((cpu(b)-began).Nanoseconds())/1e3/float64(b.N*stored), "cpu-us/row")
		})
	}
}

// load is batch n of readings of that many devices in turn, one per second each.
func load(devices, n, size int) *sluice.Batch {
	batch := storetest.Batch()
	batch.Messages = make([]sluice.Message, size)
	for i := range batch.Messages {
		k := n*size + i
		at := int64(storetest.Epoch + k/devices)
		batch.Messages[i] = sluice.Message{
			Topic: "data/sensor", Received: time.Unix(at, 0),
			Payload: storetest.Payload(fmt.Sprintf("dev-%d", k%devices), at, 20+float32(k%100)/10, 50),
		}
	}
	return batch
}

// cpu is the CPU time that this process has used, in user code and in the kernel.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
