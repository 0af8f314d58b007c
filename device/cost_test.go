package device_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"sluice/device"
	"sluice/internal/testenv"
)

// BenchmarkFleet_CostOfADevice tells what a connected device takes of memory and
// goroutines:
//
//	go test -run '^$' -bench CostOfADevice -benchtime 1x ./device
func BenchmarkFleet_CostOfADevice(b *testing.B) {
	for _, n := range []int{1000, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			broker := testenv.Mosquitto(b)
			for b.Loop() {
				before := footprint()
				fleet, stop := start(b, device.Config{Address: broker.Addr(), Count: n, KeepAlive: time.Hour})
				atLeast(b, "devices", n, func() int { return fleet.Stats().Connected })
				after := footprint()
				b.ReportMetric(float64(after.bytes-before.bytes)/1024/float64(n), "KiB/device")
				b.ReportMetric(float64(after.goroutines-before.goroutines)/float64(n), "goroutines/device")
				stop()
			}
		})
	}
}

// BenchmarkFleet_PowerCut drops ten thousand devices at once: from the first to
// the last socket, until the last will has come, and from the first to the last
// device that is back.
//
//	go test -run '^$' -bench PowerCut -benchtime 1x ./device
func BenchmarkFleet_PowerCut(b *testing.B) {
	const count, away = 10_000, 2 * time.Second
	broker := testenv.Mosquitto(b)
	l := listen(b, broker.Addr())
	for b.Loop() {
		wills := l.count("lwt")
		fleet, stop := start(b, device.Config{Address: broker.Addr(), Count: count, KeepAlive: time.Hour, Truth: device.NewTruthLog(nil)})
		connects := func(n int64) {
			testenv.Eventually(b, 3*time.Minute, func() error {
				if s := fleet.Stats(); s.Connects < n {
					return fmt.Errorf("%d connects of %d", s.Connects, n)
				}
				return nil
			})
		}
		connects(count)
		if got := fleet.PowerCut(away); got != count {
			b.Fatalf("got %d sockets, want %d", got, count)
		}
		atLeast(b, "wills", wills+count, func() int { return l.count("lwt") })
		willed := time.Now()
		connects(2 * count)
		times := map[device.What][]time.Time{}
		for _, e := range fleet.Truth() {
			times[e.What] = append(times[e.What], e.Time)
		}
		dropped, back := times[device.Dropped], times[device.Announced][count:]
		b.ReportMetric(float64(dropped[count-1].Sub(dropped[0]).Milliseconds()), "ms-to-cut")
		b.ReportMetric(float64(willed.Sub(dropped[0]).Milliseconds()), "ms-to-last-will")
		b.ReportMetric(back[len(back)-1].Sub(back[0]).Seconds(), "s-to-return")
		stop()
	}
}

type cost struct {
	bytes      int64
	goroutines int
}

// footprint is what the process holds after a collection.
func footprint() cost {
	runtime.GC()
	runtime.GC() // the first one only lets go of pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return cost{bytes: int64(m.HeapAlloc + m.StackInuse), goroutines: runtime.NumGoroutine()}
}
