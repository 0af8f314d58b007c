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
