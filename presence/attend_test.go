package presence

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice"
	"sluice/gen/sluicev1"
	"sluice/sluicetest"
)

const (
	outage  = sluicev1.PresenceKind_PRESENCE_KIND_OUTAGE
	restart = sluicev1.PresenceKind_PRESENCE_KIND_BROKER_RESTART
)

func TestAttend_NothingIsJudgedBeforeTheFirstUptime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.attend()
		s.tell(s.connect("a")...)
		s.tell(s.will(time.Second, "a")...)
		s.apply(s.keeper.Now() + 2_000_000) // even if it could be judged
		advance(29 * time.Second)
		s.keeper.Uptime(10*time.Second, s.keeper.Now(), true) // as of nobody knows when; the first contact decides it
		s.is(sluice.DeviceSuspect, "a")
		s.onItsWay(0)
		synctest.Wait()
		s.is(sluice.DeviceDown, "a")
		s.outages("a")
	})
}

func TestAttend_UndecidedUptime_HoldsOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.judging()
		s.tell(s.connect("a")...)
		s.tell(s.will(time.Second, "a")...)
		s.attend() // a new session: the broker may have been restarted
		advance(10 * time.Second)
		s.keeper.Uptime(5*time.Second, s.keeper.Now(), true)
		advance(10 * time.Second)
		s.onItsWay(0)
		s.uptime(time.Hour)
		s.onItsWay(1)
	})
}

func TestAttend_WithoutUptime_JudgesAfterTheGrace(t *testing.T) {
	for _, tt := range []struct {
		name        string
		grace, held time.Duration
	}{
		{"default", 0, 120 * time.Second},
		{"longer", time.Hour, time.Hour},
		{"shorter than an uptime may take", time.Second, 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newStand(t, Config{ReconnectGrace: tt.grace})
				s.attend()
				s.tell(s.connect("a")...)
				s.tell(s.will(time.Second, "a")...)
				advance(tt.held - time.Millisecond)
				if n := s.calls(); n != 1 { // Begin's
					t.Errorf("%d calls of the store while deadlines are held, want 1", n)
				}
				s.onItsWay(0)
				advance(time.Millisecond)
				s.onItsWay(1)
				s.comeBack()
				s.outages("a")
				if n := s.log.count("does not tell its uptime"); n != 1 {
					t.Errorf("%d log lines that the broker does not tell its uptime, want 1", n)
				}
			})
		})
	}
}

func TestAttend_DeadlineWaitsForTheMarker(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.judging()
		s.tell(s.connect("a")...)
		s.tell(s.will(5*time.Second, "a")...)
		deadline := s.device("a").Deadline
		advance(5*time.Second - time.Microsecond)
		s.onItsWay(0)
		advance(time.Microsecond)
		s.onItsWay(1)
		if at := s.sent()[0].at; at < deadline || at > s.keeper.Now() {
			t.Errorf("the marker carries %d, want the deadline %d or a little more", at, deadline)
		}
		advance(50 * time.Second)
		s.is(sluice.DeviceSuspect, "a")
		s.comeBack()
		s.is(sluice.DeviceDown, "a")
		s.outages("a")
		if d := s.device("a"); d.Down != deadline || d.DownCause != sluice.CauseWill {
			t.Errorf("got %+v, want an outage at its deadline", d)
		}
		if len(s.pushed) != 1 || s.pushed[0].Events.Open != 1 || s.pushed[0].Devices.Open == 0 {
			t.Errorf("told the router of %+v, want one event in each queue", s.pushed)
		}
		advance(time.Hour)
		s.onItsWay(0)
		s.outages("a")
	})
}

func TestAttend_ConnectAppliedBeforeTheMarkersReturn_IsNoOutage(t *testing.T) {
	for _, tt := range []struct {
		name string
		back func(s *stand)
	}{
		{"in an earlier group", func(s *stand) { s.tell(s.connect("a")...); s.comeBack() }},
		{"in the same group", func(s *stand) { s.comeBack(s.connect("a")...) }},
		{"with a reading", func(s *stand) {
			s.comeBack(sluice.Move{Kind: sluice.MoveSeen, Device: "a", At: s.keeper.Now()})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newStand(t, Config{})
				s.judging()
				s.tell(s.connect("a")...)
				s.tell(s.will(time.Second, "a")...)
				advance(30 * time.Second) // the marker waits behind a backlog
				tt.back(s)
				advance(time.Hour)
				s.is(sluice.DeviceUp, "a")
				s.outages()
				s.onItsWay(0)
			})
		})
	}
}

func TestAttend_MarkerSaysNothingOfLaterDeadlines(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.judging()
		s.tell(s.connect("a", "b")...)
		s.tell(s.will(5*time.Second, "a")...)
		s.tell(s.will(5*time.Second+50*time.Millisecond, "b")...)
		advance(6 * time.Second) // both have passed, the marker is as old as the first
		s.onItsWay(1)
		s.comeBack()
		s.outages("a")
		s.is(sluice.DeviceSuspect, "b")
		s.onItsWay(1) // at once: that was the marker for a
		s.comeBack()
		s.outages("a", "b")
		s.onItsWay(0)
	})
}

func TestAttend_MarkersAreFewAndOneAtATime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		// Another session has not caught up, so nothing is due however often this one
		// has.
		other, err := s.memory.Lease(t.Context(), "other", "b", 100*24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.memory.Attend(t.Context(), other, 0); err != nil {
			t.Fatal(err)
		}
		s.judging()
		s.tell(s.connect("a")...)
		s.tell(s.will(time.Second, "a")...)
		advance(time.Second)
		for range 10_000 { // each comes back after a millisecond
			advance(time.Millisecond)
			if n := len(s.sent()) - s.returned; n > 1 {
				t.Fatalf("%d markers are on their way", n)
			} else if n == 1 {
				s.comeBack()
			}
		}
		marks := s.sent()
		if n := len(marks); n < 95 || n > 101 {
			t.Errorf("%d markers in 10 s, want about 10 a second", n)
		}
		for i := range marks[1:] {
			if d := marks[i+1].sent.Sub(marks[i].sent); d < 100*time.Millisecond {
				t.Errorf("%v between two markers", d)
			}
		}
		s.is(sluice.DeviceSuspect, "a")
	})
}

func TestAttend_NoMarkerWhileNothingIsDue(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.judging()
		for range 100 { // each comes back in time
			s.tell(s.connect("a")...)
			advance(time.Second)
			s.tell(s.will(2*time.Second, "a")...)
			advance(time.Second)
		}
		s.tell(s.connect("a")...)
		advance(3 * time.Hour)
		if n := len(s.sent()); n != 0 {
			t.Errorf("%d markers, want none", n)
		}
	})
}

func TestAttend_SleepsWhileNothingIsDue(t *testing.T) {
	for _, tt := range []struct {
		name  string
		moves func(s *stand) []sluice.Move
	}{
		{"no deadline", func(s *stand) []sluice.Move { return s.connect("a", "b") }},
		{"a deadline in a week", func(s *stand) []sluice.Move { return s.will(7*24*time.Hour, "a") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newStand(t, Config{})
				s.judging()
				s.tell(tt.moves(s)...)
				advance(3 * time.Minute)
				before, clocks := s.calls(), s.store.Calls("Clock")
				advance(58 * time.Minute)
				if n := s.calls() - before; n != 0 {
					t.Errorf("%d calls of the store in an hour, want none", n)
				}
				if n := s.store.Calls("Clock") - clocks; n != 58*60 {
					t.Errorf("the clock was read %d times in 58 minutes, want once a second", n)
				}
				for range 100 { // what comes changes nothing about it
					s.tell(s.connect("c")...)
				}
				if n := s.calls() - before; n != 0 {
					t.Errorf("%d calls of the store for moves without a deadline, want none", n)
				}
				advance(4 * time.Hour)
				if n := s.calls() - before; n > 5 {
					t.Errorf("%d calls of the store in 5 hours, want one an hour", n)
				}
			})
		})
	}
}

func TestAttend_EarlierDeadlineWakes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		first []time.Duration // deadlines that there are already
	}{
		{"there was none", nil},
		{"there was a later one", []time.Duration{30 * time.Minute}},
		{"there was one that is over", []time.Duration{time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newStand(t, Config{})
				s.judging()
				for i, delay := range tt.first {
					s.tell(s.will(delay, fmt.Sprint("first", i))...)
				}
				s.tell(s.connect("first0")...)
				advance(time.Minute)
				s.onItsWay(0)
				s.tell(s.will(5*time.Second, "a")...)
				advance(5 * time.Second)
				s.onItsWay(1)
				s.comeBack()
				s.outages("a")
			})
		})
	}
}

func TestAttend_DeadlineToldWhileDueIsUnderWay_IsNotMissed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.judging()
		s.tell(s.will(10*time.Second, "a")...)
		s.tell(s.will(30*time.Minute, "b")...)
		s.tell(s.connect("a")...) // so the loop will wake for nothing
		s.during.happens(func() {
			r := s.stored(0, s.will(time.Second, "c")...)
			s.keeper.Applied(r, 0)
		})
		advance(10 * time.Second)
		advance(time.Second)
		s.onItsWay(1)
		s.comeBack()
		s.outages("c")
	})
}

func TestAttend_FaultsOfTheStoreAreRetried(t *testing.T) {
	for _, fate := range []sluicetest.Fate{sluicetest.Refuse, sluicetest.Lose, sluicetest.Hang} {
		t.Run(fmt.Sprint("fate ", fate), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newStand(t, Config{})
				s.attend()
				s.store.Fail("Attend", fate, errFault, 1) // of the uptime
				s.uptime(time.Hour)
				s.tell(s.will(time.Second, "a")...)
				advance(10 * time.Second)
				s.onItsWay(1)
				s.store.Fail("Due", fate, errFault, 3)
				s.comeBack()
				advance(20 * time.Second) // three times CallTimeout and RetryMax at the worst
				s.outages("a")
				if n := s.store.Calls("Due"); n > 20 {
					t.Errorf("%d calls of Due", n)
				}
			})
		})
	}
}

func TestAttend_StoreIsDown_IsAskedAtARestingPace(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{RetryMin: 100 * time.Millisecond, RetryMax: 2 * time.Second})
		s.judging()
		s.store.Fail("Due", sluicetest.Refuse, errFault, -1)
		s.tell(s.will(time.Second, "a")...)
		before := s.store.Calls("Due")
		advance(10 * time.Minute)
		if n := s.store.Calls("Due") - before; n < 200 || n > 700 {
			t.Errorf("%d calls of Due in 10 minutes, want one every 1 to 3 s", n)
		}
		s.store.Fail("Due", sluicetest.Pass, nil, 0)
		advance(3 * time.Second)
		s.comeBack()
		s.outages("a")
	})
}

func TestAttend_Fenced_JudgesNothingMore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.judging()
		s.tell(s.will(time.Second, "a")...)
		advance(time.Second)
		s.onItsWay(1)
		m, receipt := s.next(), s.stored(s.marks[0].at)
		s.hold() // another session has begun
		before := s.calls()
		s.keeper.Applied(receipt, m.at)
		advance(5 * time.Hour)
		if n := s.calls() - before; n > 6 {
			t.Errorf("%d calls of the store in 5 hours, want next to none", n)
		}
		s.outages()
	})
}

func TestAttend_EndsWithItsContext(t *testing.T) {
	for _, tt := range []struct {
		name string
		busy func(s *stand)
	}{
		{"held", func(s *stand) { s.attend() }},
		{"sleeping", func(s *stand) { s.judging() }},
		{"in a call", func(s *stand) {
			s.attend()
			s.store.Fail("Attend", sluicetest.Hang, nil, -1)
			s.uptime(time.Hour)
		}},
		{"in retry", func(s *stand) {
			s.judging()
			s.store.Fail("Due", sluicetest.Refuse, errFault, -1)
			s.tell(s.will(time.Second, "a")...)
			advance(time.Second)
		}},
		{"giving grace", func(s *stand) {
			s.judging()
			s.attend()
			s.store.Fail("Grace", sluicetest.Refuse, errFault, -1)
			advance(time.Minute)
			s.uptime(time.Second)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newStand(t, Config{})
				tt.busy(s)
				before := time.Now()
				s.end()
				if d := time.Since(before); d != 0 {
					t.Errorf("it took %v", d)
				}
			})
		})
	}
}

// fleet are n devices.
func fleet(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("d%05d", i))
	}
	return names
}

func TestAttend_BrokerRestarted_EveryDeviceHasTimeToComeBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.judging()
		names := fleet(2500)
		s.tell(s.connect(names...)...)
		advance(10 * time.Second)
		s.uptime(time.Hour + 10*time.Second)
		s.tell(s.will(30*time.Second, names[0])...)
		s.tell(s.will(time.Hour, names[1])...)

		advance(20 * time.Second)
		s.attend() // the broker was killed and is back
		s.store.Fail("Grace", sluicetest.Hang, nil, 1)
		s.tell(s.connect(names[2])...) // is back before anybody knows of the restart
		advance(10 * time.Second)
		s.uptime(15 * time.Second)
		advance(10 * time.Second) // the first call of Grace hangs
		until := s.device(names[0]).Deadline
		for i, name := range names {
			d := s.device(name)
			switch {
			case i == 1: // its own deadline is later
				if d.State != sluice.DeviceSuspect || d.Deadline < until+time.Minute.Microseconds() {
					t.Errorf("got %+v, want its own deadline", d)
				}
			case i == 2:
				if d.Deadline != 0 {
					t.Errorf("got %+v, want no deadline", d)
				}
			case d.Deadline != until || d.Due != sluice.CauseGrace:
				t.Fatalf("got %+v, want the deadline %d", d, until)
			}
		}
		if n := s.store.Calls("Grace"); n != 4 {
			t.Errorf("%d calls of Grace, want one that hangs and 3 pages", n)
		}
		if len(s.pushed) != 3 || s.pushed[0].Events.Open != 1 || s.pushed[2].Devices.Open == 0 {
			t.Errorf("told the router of %+v, want of each page", s.pushed)
		}
		if got := s.events(); len(got) != 1 || got[0].Kind != restart {
			t.Errorf("got events %v, want one of the restart", got)
		}

		s.tell(s.connect(names[1:2490]...)...)
		advance(time.Duration(until-s.keeper.Now())*time.Microsecond - time.Second)
		s.onItsWay(0)
		advance(time.Second)
		s.comeBack()
		s.outages(append([]string{names[0]}, names[2490:]...)...)
		advance(time.Hour)
		if n := s.count(restart); n != 1 {
			t.Errorf("%d events of the restart, want 1", n)
		}
		s.onItsWay(0)
		if s.log.count("the broker was restarted") != 1 {
			t.Error("the log does not tell of the restart, or too often")
		}
	})
}

func TestAttend_BrokerRestarted_EveryPageIsGivenThoughCallsFail(t *testing.T) {
	for _, fate := range []sluicetest.Fate{sluicetest.Refuse, sluicetest.Lose} {
		t.Run(fmt.Sprint("fate ", fate), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newStand(t, Config{})
				s.judging()
				names := fleet(1500)
				s.tell(s.connect(names...)...)
				advance(time.Second)
				s.attend()
				advance(20 * time.Second)
				s.store.Fail("Grace", fate, errFault, 2)
				s.uptime(5 * time.Second)
				advance(10 * time.Second)
				for _, name := range names {
					if d := s.device(name); d.Due != sluice.CauseGrace {
						t.Fatalf("got %+v, want a deadline of grace", d)
					}
				}
				if n := s.count(restart); n < 1 || fate == sluicetest.Refuse && n > 1 {
					t.Errorf("%d events of the restart", n)
				}
				advance(2 * time.Minute)
				s.onItsWay(1) // judging goes on
			})
		})
	}
}

func TestAttend_FencedDuringGrace_HoldsOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.judging()
		s.tell(s.will(time.Second, "a")...)
		s.attend()
		advance(20 * time.Second)
		s.hold()
		before := s.calls()
		s.uptime(5 * time.Second)
		advance(20 * time.Second)
		if n := s.calls() - before; n != 1 || s.store.Calls("Grace") != 1 || s.count(restart) != 0 {
			t.Errorf("%d calls of the store, %d of Grace, and %d events; want 1, 1 and 0", n, s.store.Calls("Grace"), s.count(restart))
		}
		s.onItsWay(0)
	})
}

func TestAttend_SameBroker_GivesNoGrace(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.judging()
		s.tell(s.connect("a")...)
		for range 5 {
			advance(10 * time.Second)
			s.uptime(time.Since(start) + time.Hour)
			s.attend() // the connection broke
			s.keeper.Uptime(time.Since(start)+time.Hour, s.keeper.Now(), true)
			synctest.Wait()
		}
		s.tell(s.will(time.Second, "a")...)
		advance(time.Second)
		s.comeBack()
		s.outages("a")
		if n := s.store.Calls("Grace"); n != 0 {
			t.Errorf("%d calls of Grace, want none", n)
		}
	})
}

// start is when a bubble's time begins.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func TestAttend_KeepsWhenTheBrokerWasKnownToRun(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.attend()
		seen := func() int64 {
			a, err := s.memory.Attend(t.Context(), s.lease, 0)
			if err != nil {
				t.Fatal(err)
			}
			return a.BrokerSeen
		}
		s.keeper.Uptime(time.Hour, s.keeper.Now(), true)
		synctest.Wait()
		if got := seen(); got != 0 {
			t.Errorf("got %d of a stale uptime, want none", got)
		}
		for i := range 3 {
			advance(10 * time.Second)
			s.uptime(time.Hour + time.Duration(i)*10*time.Second)
			if got, want := seen(), s.keeper.Now(); got != want {
				t.Errorf("got %d, want now, %d", got, want)
			}
		}
		// One that waited in a connection which was not read says when it was sent.
		last := s.keeper.Now()
		advance(5 * time.Minute)
		s.uptime(time.Hour + 30*time.Second)
		if got, want := seen(), last+10_000_000; got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	})
}

// While the connection was not read, the broker was restarted; what it had sent
// before is read later.
func TestAttend_UptimeReadLate_HidesNoRestart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.judging()
		s.tell(s.connect("a")...)
		advance(5 * time.Minute)
		s.uptime(time.Hour + 10*time.Second) // sent long before the restart
		advance(time.Second)
		s.attend()
		advance(9 * time.Second)
		s.uptime(30 * time.Second)
		if n := s.count(restart); n != 1 {
			t.Errorf("%d events of a restart, want 1", n)
		}
	})
}

func TestAttend_StormIsTakenAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.judging()
		names := fleet(30)
		s.tell(s.connect(names...)...)
		for _, name := range names[:20] { // within 800 ms
			s.tell(s.will(5*time.Second, name)...)
			advance(40 * time.Millisecond)
		}
		for time.Since(start) < 6*time.Second+sluice.StormWindow {
			advance(20 * time.Millisecond)
			if s.returned < len(s.sent()) {
				s.comeBack()
			}
			if n := s.count(outage); n != 0 && n != 20 {
				t.Fatalf("%d of 20 outages at %v", n, time.Since(start))
			}
		}
		s.outages(names[:20]...)
		if n := len(s.pushed); n != 1 {
			t.Errorf("taken in %d steps, want 1", n)
		}
		if n := len(s.sent()); n > 12 {
			t.Errorf("%d markers for a storm of a second", n)
		}
		if n := s.store.Calls("Due"); n > 60 { // some for each of the 20 wills
			t.Errorf("%d calls of Due for a storm of 20 devices", n)
		}
	})
}

func TestAttend_MoreThanOneCallTakes_AllFall(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.judging()
		names := fleet(2500)
		s.tell(s.connect(names...)...)
		s.tell(s.will(time.Second, names...)...)
		advance(3 * time.Second)
		s.comeBack()
		advance(2 * time.Second)
		if s.returned < len(s.sent()) {
			s.comeBack()
		}
		s.outages(names...)
		var told int
		for _, r := range s.pushed {
			told += r.Events.Sealed
		}
		if len(s.pushed) != 3 {
			t.Errorf("told the router %d times, want 3: %d batches sealed", len(s.pushed), told)
		}
	})
}

func TestAttend_FlappingEndsAsADeadlineComes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.judging()
		for range sluice.FlapOutages + 1 {
			s.tell(s.connect("a")...)
			s.tell(s.will(time.Second, "a")...)
			advance(time.Second)
			s.comeBack()
		}
		s.tell(s.connect("a")...)
		advance(sluice.FlapWindow - time.Second)
		s.onItsWay(0)
		advance(time.Second)
		s.onItsWay(1)
		if d := s.device("a"); !d.Flapping {
			t.Fatalf("got %+v, want it to flap", d)
		}
		s.comeBack()
		if d := s.device("a"); d.Flapping || d.State != sluice.DeviceUp {
			t.Errorf("got %+v, want it to be steady", d)
		}
		if n := s.count(sluicev1.PresenceKind_PRESENCE_KIND_STEADY); n != 1 {
			t.Errorf("%d events that it is steady, want 1", n)
		}
		if n := len(s.pushed); n != sluice.FlapOutages+2 {
			t.Errorf("told the router %d times, want %d", n, sluice.FlapOutages+2)
		}
	})
}

func TestFault_AfterAMinuteWithoutTheMarker(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.judging()
		s.tell(s.will(time.Second, "a")...)
		advance(61 * time.Second)
		if err := s.keeper.Fault(); err != nil {
			t.Errorf("got %v after a minute", err)
		}
		advance(time.Second)
		if err := s.keeper.Fault(); err == nil || !contains(err.Error(), "sluice/sync/plant-1", "1m1s", "may the router write and read") {
			t.Errorf("got %v, want what is wrong, where, and what to do", err)
		}
		advance(time.Hour)
		if err := s.keeper.Fault(); err == nil || !contains(err.Error(), "1h1m1s") {
			t.Errorf("got %v, want since when", err)
		}
		s.comeBack()
		if err := s.keeper.Fault(); err != nil {
			t.Errorf("got %v after it came back", err)
		}
		s.outages("a")

		s.tell(s.will(time.Second, "b")...)
		advance(2 * time.Minute)
		if err := s.keeper.Fault(); err == nil {
			t.Error("no fault")
		}
		s.attend() // the fault was that session's
		if err := s.keeper.Fault(); err != nil {
			t.Errorf("got %v of the session before", err)
		}
	})
}

// The broker refused the marker; then its access list was mended.
func TestAttend_MarkerThatNeverCameBack_IsSentAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.judging()
		s.tell(s.will(time.Second, "a")...)
		advance(10*time.Minute + time.Second)
		marks := s.sent()
		if n := len(marks); n < 10 || n > 11 {
			t.Fatalf("%d markers in 10 minutes, want one a minute", n)
		}
		s.returned = len(marks) - 1
		s.comeBack()
		s.outages("a")
		if err := s.keeper.Fault(); err != nil {
			t.Errorf("got %v after it came back", err)
		}
	})
}

func TestAttend_SessionThatTakesNoMarker_IsNoCauseForMore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.judging()
		s.refusal = errFault
		s.tell(s.will(time.Second, "a")...)
		advance(30 * time.Second)
		if n := len(s.sent()); n != 1 {
			t.Errorf("%d markers, want 1", n)
		}
		s.refusal = nil
		s.attend()
		s.uptime(2 * time.Hour)
		s.comeBack()
		s.outages("a")
	})
}

func TestBegin_ForgetsTheSessionBefore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStand(t, Config{})
		s.judging()
		s.end()
		s.tell(s.will(time.Second, "a")...)
		s.keeper.Uptime(time.Hour, s.keeper.Now(), false) // nobody looked at it any more
		s.attend()
		advance(10 * time.Second)
		s.onItsWay(0)
		s.uptime(time.Hour)
		s.onItsWay(1)
		s.keeper.Applied(sluice.PresenceReceipt{}, s.sent()[0].at-1) // of a marker before
		synctest.Wait()
		advance(30 * time.Second)
		s.onItsWay(1)
	})
}

// contains tells whether text has all of these.
func contains(text string, parts ...string) bool {
	return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(text, p) })
}
