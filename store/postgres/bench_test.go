package postgres

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice"
	"sluice/internal/testenv"
	"sluice/store/storetest"
)

const benchBatch = 5000

// BenchmarkDecodeAndEncode is what a row costs the client before it is sent.
func BenchmarkDecodeAndEncode(b *testing.B) {
	for _, topic := range []string{"data/sensor", "data/sensor/dev-%d"} {
		b.Run(strings.ReplaceAll(topic, "%d", "N"), func(b *testing.B) {
			s := NewSensor(nil, 1, SensorConfig{})
			batch := withCaptures(b, load(100, 0, topic))
			var w work
			b.ReportAllocs()
			for b.Loop() {
				w.rows, w.bad = s.rules.Sift(batch, w.rows[:0])
				w.stream = appendCopy(w.stream[:0], 1, 1, w.rows)
			}
			if len(w.bad) > 0 {
				b.Fatal(w.bad[0])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchBatch), "ns/row")
		})
	}
}

// BenchmarkSensor stores b.N batches of 5000 in a cluster of its own and reports
// the CPU time of all its processes and of this one, in us per row. For the
// figures of docs/performance.md:
//
//	go test -run '^$' -bench Sensor -benchtime 100x ./store/postgres
func BenchmarkSensor(b *testing.B) {
	for _, bc := range []struct{ devices, stored int }{{100, 0}, {10_000, 0}, {100, 8_000_000}, {10_000, 8_000_000}} {
		b.Run(fmt.Sprintf("devices=%d/stored=%d", bc.devices, bc.stored), func(b *testing.B) {
			server := testenv.Postgres(b)
			pool := migrated(b, server.Database())
			s := sinkOf(b, pool, SensorConfig{})
			first := 0
			for ; first*benchBatch < bc.stored; first++ {
				must(b, s.Handle(b.Context(), load(bc.devices, first, "data/sensor")))
			}
			exec(b, pool, "CHECKPOINT")
			var batches []*sluice.Batch
			for i := range b.N {
				batches = append(batches, load(bc.devices, first+i, "data/sensor"))
			}
			own, theirs := cpu(b, os.Getpid()), cpu(b, server.PIDs()...)
			b.ResetTimer()
			for _, batch := range batches {
				must(b, s.Handle(context.Background(), batch))
			}
			b.StopTimer()
			rows := float64(b.N * benchBatch)
			b.ReportMetric(float64((cpu(b, server.PIDs()...)-theirs).Nanoseconds())/1e3/rows, "server-us/row")
			b.ReportMetric(float64((cpu(b, os.Getpid())-own).Nanoseconds())/1e3/rows, "client-us/row")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1e3/rows, "wall-us/row")
		})
	}
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// load is batch n of readings of that many devices in turn, one per second each.
// topic may have a %d for the device.
func load(devices, n int, topic string) *sluice.Batch {
	batch := storetest.Batch()
	batch.Messages = make([]sluice.Message, benchBatch)
	for i := range batch.Messages {
		k := n*benchBatch + i
		device := k % devices
		name := topic
		if strings.Contains(topic, "%d") {
			name = fmt.Sprintf(topic, device)
		}
		at := int64(storetest.Epoch + k/devices)
		batch.Messages[i] = sluice.Message{
			Topic: name, Received: time.Unix(at, 0),
			Payload: storetest.Payload(fmt.Sprintf("dev-%d", device), at, 20+float32(k%100)/10, 50),
		}
	}
	return batch
}

// cpu sums the CPU time of processes; the first one's includes its children that
// have ended [proc(5)].
func cpu(b *testing.B, pids ...int) (sum time.Duration) {
	b.Helper()
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux
	for i, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has ended: the first one counts it
		}
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		last := 13 // utime, stime
		if i == 0 {
			last = 15 // and those of children waited for
		}
		for _, f := range fields[11:last] {
			ticks, err := strconv.Atoi(f)
			if err != nil {
				b.Fatal(err)
			}
			sum += time.Duration(ticks) * tick
		}
	}
	return sum
}
