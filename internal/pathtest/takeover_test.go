package pathtest

import (
	"syscall"
	"testing"
	"time"

	"sluice/internal/pathload"
)

// The router that reads the broker stands still for longer than its lease. The
// other one takes the session over; when the first goes on, it finds its lease
// taken, appends nothing and stands by.
func TestPath_SessionTakeover_StoresOnceWithoutKicking(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteServers{})
	// Long enough that a busy machine does not let it expire by itself.
	s.settings.LeaseTTL, s.settings.ClaimTTL = 3*time.Second, 3*time.Second
	leader := s.startLeading()
	other := s.start()
	other.AwaitLog(msgStandby, 1)
	l := s.load(pathload.Plan{Spoil: spoiled})
	const takeovers = 3
	for range takeovers {
		s.AwaitReceived(pathload.RouteSensor, 200)
		led, stood := other.Logged(msgLeading), leader.Logged(msgStandby)
		leader.Signal(syscall.SIGSTOP)
		other.AwaitLog(msgLeading, led+1)
		s.AwaitReceived(pathload.RouteSensor, 200)
		leader.Signal(syscall.SIGCONT)
		leader.AwaitLog(msgStandby, stood+1)
		s.AwaitReceived(pathload.RouteSensor, 300)
		leader, other = other, leader
	}
	sent := l.Finish()
	s.Verify(sent)
	if n := leader.Logged(msgLeading) + other.Logged(msgLeading); n != 1+takeovers {
		t.Errorf("the session was opened %d times, want %d: the routers kick each other", n, 1+takeovers)
	}
	other.Terminate()
	leader.Terminate()
}
