package presence

import (
	"testing"
	"time"

	"sluice"
)

// What was sent while the broker knew no session is lost: nobody is silent for
// that, and a connect may have been among it.
func TestAttend_SessionForgotten_NothingOfBeforeIsJudged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.judging()
		seen := sluice.Move{Kind: sluice.MoveSeen, Device: "mute", At: s.keeper.Now(), Silent: (8 * time.Second).Microseconds()}
		s.tell(append(s.will(time.Minute, "gone"), seen)...)
		s.end()
		advance(time.Hour) // nobody reads
		s.forgotten = true
		s.attend()
		s.uptime(2 * time.Hour) // the same broker
		s.onItsWay(0)
		s.is(sluice.DeviceUp, "mute")
		advance(10 * time.Second) // its silence, counted anew
		s.comeBack()
		s.is(sluice.DeviceDown, "mute")
		s.is(sluice.DeviceSuspect, "gone")
		advance(2 * time.Minute)
		s.comeBack()
		s.is(sluice.DeviceDown, "gone")
		if n := s.count(restart); n != 0 {
			t.Errorf("%d events of a restart that was none", n)
		}
	})
}

// A router that no longer reads waits for no marker.
func TestFault_EndsWithTheSession(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.judging()
		s.tell(s.will(time.Second, "a")...)
		advance(2 * time.Second)
		s.onItsWay(1)
		s.end()
		s.end = nil
		advance(time.Hour)
		if err := s.keeper.Fault(); err != nil {
			t.Errorf("got %v, want no fault", err)
		}
	})
}

// The next session does not find the same restart once more, also when the
// broker told nothing but a retained uptime.
func TestAttend_RestartIsToldOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.judging()
		s.tell(s.connect("a")...)
		advance(10 * time.Minute)
		for range 2 {
			s.attend()
			s.keeper.Uptime(time.Minute, s.keeper.Now(), true)
			advance(time.Second)
		}
		if n := s.count(restart); n != 1 {
			t.Errorf("%d events of one restart", n)
		}
	})
}
