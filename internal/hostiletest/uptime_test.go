package hostiletest

import (
	"fmt"
	"testing"
	"time"

	"sluice/internal/pathload"
)

// Without retained messages a router learns with the next $SYS update, every
// sys_interval, that the broker has not been restarted. Until then no outage is told; it
// is told late, and nothing else changes.
func TestMosquitto_NothingRetained_DelaysOutagesOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	h := s.as(late, v5)
	h.will = &will{topic: "lwt/" + late, payload: willMessage(late), qos: 1}
	c := s.login(h, nil)
	_, err := c.publish("connect/"+late, connectMessage(late))
	must(t, err)
	s.is(late, "up", patience)

	s.router.Terminate()
	s.start()
	began := time.Now()
	c.reset()
	// Without an uptime it would be reconnect_grace, 120 s.
	s.is(late, "down", time.Minute)
	t.Logf("down %v after the router had begun to read, with a delay of 1s", time.Since(began).Round(100*time.Millisecond))
	s.stub.Await(t, 1, late+" down")
	if n := len(s.stub.Accepted()); n != 1 || s.router.Logged("the broker was restarted") > 0 || s.router.Logged("does not tell its uptime") > 0 {
		t.Errorf("%d reports, want 1: %+v", n, s.stub.Accepted())
	}
}

// is waits until a device is in a state.
func (s *site) is(device, state string, within time.Duration) {
	s.Helper()
	pathload.Eventually(s, within, func() error {
		if got := s.fleet()[device].State; got != state {
			return fmt.Errorf("%s is %q, want %q", device, got, state)
		}
		return nil
	})
}
