package doortest

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"sluice/app"
	"sluice/device"
	"sluice/internal/testenv"
)

// Devices lose their connections, and the replica stands still for longer than their
// delay, but less than its lease. They have come back meanwhile, but nobody has read
// their CONNECT: when the replica goes on, they must not be reported.
func TestDoor_ReplicaStopped_WhoIsAtTheDoorIsNotReported(t *testing.T) {
	t.Parallel()
	const devices, delay, away = 60, 6 * time.Second, 4 * time.Second
	s := newSite(t, sitePlan{})
	r := s.replicas[0]
	f, _ := startFleet(t, device.Config{Address: r.address, Count: devices, Delay: delay})
	awaitTruth(t, f, device.Announced, devices)
	s.awaitDevices("up", func(st app.Status) int64 { return st.Devices.Up }, devices)
	if n := f.PowerCut(away); n != devices {
		t.Fatalf("%d of %d devices had a connection", n, devices)
	}
	s.awaitDevices("suspect", func(st app.Status) int64 { return st.Devices.Suspect }, devices)
	r.Signal(syscall.SIGSTOP)
	awaitTruth(t, f, device.Connecting, 2*devices)
	pass(t, delay-away+2*time.Second) // until long after the deadline
	r.Signal(syscall.SIGCONT)
	awaitTruth(t, f, device.Announced, 2*devices)
	s.awaitDevices("up", func(st app.Status) int64 { return st.Devices.Up }, devices)
	if n := s.number("SELECT count(*) FROM data.outage"); n > 0 {
		t.Errorf("%d outages were reported", n)
	}
}

// awaitDevices waits until so many devices are in a state, as the last replica tells.
func (s *site) awaitDevices(state string, count func(app.Status) int64, want int64) {
	s.t.Helper()
	testenv.Eventually(s.t, patience, func() error {
		st, err := s.replicas[len(s.replicas)-1].status(s.t)
		if err == nil && count(st) != want {
			err = fmt.Errorf("%d devices are %s, want %d", count(st), state, want)
		}
		return err
	})
}
