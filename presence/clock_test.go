package presence

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"sluice"
	"sluice/sluicetest"
)

// reading is one of a store's clock, times counted from when the clock was born.
type reading struct {
	sent, took time.Duration
	now        time.Duration // presence time that it shows, from the start
	offset     time.Duration
	jump       time.Duration // that it must be found to be
	estimate   time.Duration // of the presence time when it has come, less the start
}

func TestClock_ReadingsAndJumps(t *testing.T) {
	t.Parallel()
	const start = int64(1_700_000_000_000_000)
	second := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	for _, tt := range []struct {
		name     string
		readings []reading
	}{
		{"in step", []reading{
			{sent: second(1), now: second(1), estimate: second(1)},
			{sent: second(2), now: second(2), estimate: second(2)},
			{sent: second(1000), now: second(1000), estimate: second(1000)},
		}},
		{"taken in the middle of the round trip", []reading{
			{sent: second(1), took: second(0.5), now: second(1.25), estimate: second(1.5)},
		}},
		{"drift is followed", []reading{
			{sent: second(0), now: second(0), estimate: second(0)},
			{sent: second(100), now: second(100.5), estimate: second(100.5)},
			{sent: second(200), now: second(201), estimate: second(201)},
			{sent: second(300), now: second(299), estimate: second(299)}, // and back
		}},
		{"five seconds are no jump", []reading{
			{sent: second(0), now: second(0), estimate: second(0)},
			{sent: second(1), now: second(6), estimate: second(6)},
			{sent: second(2), now: second(2), estimate: second(2)},
		}},
		{"a jump forward: the estimate goes on", []reading{
			{sent: second(0), now: second(0), offset: 7, estimate: second(0)},
			{sent: second(1), now: second(6.1), offset: 7, jump: second(5.1), estimate: second(1)},
			{sent: second(2), now: second(2), offset: 7 + second(5.1), estimate: second(2)},
		}},
		{"a jump back: the estimate goes on", []reading{
			{sent: second(0), now: second(0), estimate: second(0)},
			{sent: second(1), now: second(-3599), jump: -time.Hour, estimate: second(1)},
			{sent: second(2), now: second(2), offset: -time.Hour, estimate: second(2)},
		}},
		{"a jump is found again until the store is corrected", []reading{
			{sent: second(0), now: second(0), estimate: second(0)},
			{sent: second(1), now: second(3601), jump: time.Hour, estimate: second(1)},
			{sent: second(2), now: second(3602), jump: time.Hour, estimate: second(2)},
			{sent: second(3), now: second(3), offset: time.Hour, estimate: second(3)},
		}},
		{"another keeper was faster", []reading{
			{sent: second(0), now: second(0), estimate: second(0)},
			{sent: second(1), now: second(1.001), offset: time.Hour, estimate: second(1.001)},
		}},
		{"a slow reading says nothing", []reading{
			{sent: second(0), now: second(0), estimate: second(0)},
			{sent: second(1), took: second(1.1), now: second(4), estimate: second(2.1)},
		}},
		{"a store that stood still while it was asked: read at its end or its beginning", []reading{
			{sent: second(0), now: second(0), estimate: second(0)},
			{sent: second(1), took: second(30), now: second(31), estimate: second(31)},
			{sent: second(32), took: second(30), now: second(32), estimate: second(62)},
		}},
		{"a jump during a slow reading, as soon as it is more than the reading was slow", []reading{
			{sent: second(0), now: second(0), estimate: second(0)},
			{sent: second(1), took: second(30), now: second(35), estimate: second(31)},
			{sent: second(32), took: second(2), now: second(33 + 3600), jump: time.Hour, estimate: second(34)},
		}},
		{"a slow first reading is better than none", []reading{
			{sent: second(0), took: second(4), now: second(4), estimate: second(6)},
			{sent: second(5), now: second(5), estimate: second(5)},
		}},
		{"a first reading too slow to tell a jump from is none", []reading{
			{sent: second(0), took: second(60), now: second(60), estimate: -time.Duration(start) * time.Microsecond},
			{sent: second(61), now: second(61), estimate: second(61)},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			for i, r := range tt.readings {
				sent, received := c.born.Add(r.sent), c.born.Add(r.sent+r.took)
				store := sluice.StoreClock{Now: start + r.now.Microseconds(), Offset: r.offset.Microseconds()}
				if got := c.observe(store, sent, received); got != r.jump.Microseconds() {
					t.Errorf("reading %d: jump %v, want %v", i, time.Duration(got)*time.Microsecond, r.jump)
				}
				if got := c.estimate(r.sent+r.took) - start; got != r.estimate.Microseconds() {
					t.Errorf("reading %d: estimate %v, want %v", i, time.Duration(got)*time.Microsecond, r.estimate)
				}
				if want := store.Offset + r.jump.Microseconds(); c.known && r.took <= time.Second && c.Offset() != want {
					t.Errorf("reading %d: offset %d, want %d", i, c.Offset(), want)
				}
			}
		})
	}
}

// skewed is a store whose clock can be set.
type skewed struct {
	*sluicetest.FaultyQueue
	skew atomic.Int64 // a time.Duration
}

func newSkewed() *skewed {
	s := &skewed{}
	s.FaultyQueue = sluicetest.Faulty(sluicetest.NewQueue(sluicetest.WithClock(s.now)), nil)
	return s
}

func (s *skewed) now() time.Time { return time.Now().Add(time.Duration(s.skew.Load())) }

func (s *skewed) jump(d time.Duration) { s.skew.Add(int64(d)) }

// at returns the store's presence time and offset.
func (s *skewed) at(t testing.TB) sluice.StoreClock {
	t.Helper()
	c, err := s.Clock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestKeeper_TwoNoticeAJump_TheStoreIsCorrectedOnce(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour, 6 * time.Second} {
		t.Run(fmt.Sprint(jump), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				store := newSkewed()
				a, b := New(store, Config{}), New(store, Config{})
				for _, k := range []*Keeper{a, b} {
					running(t, func(ctx context.Context) { k.Run(ctx) })
				}
				advance(10 * time.Second)
				before := a.Now()
				store.jump(jump)
				advance(1500 * time.Millisecond) // both have read it
				if n := store.Calls("SetOffset"); n != 1 && n != 2 {
					t.Errorf("the offset was set %d times, want once or twice", n)
				}
				if got := store.at(t); got.Offset != jump.Microseconds() || got.Now != before+1_500_000 {
					t.Errorf("the store shows %+v, want the offset %v and presence time %d", got, jump, before+1_500_000)
				}
				advance(time.Hour)
				want := before + time.Hour.Microseconds() + 1_500_000
				if got := store.at(t); got.Now != want || a.Now() != want || b.Now() != want {
					t.Errorf("presence time %d in the store, %d and %d in the keepers, want %d", got.Now, a.Now(), b.Now(), want)
				}
				if n := store.Calls("SetOffset"); n > 2 {
					t.Errorf("the offset was set %d times", n)
				}
			})
		})
	}
}

// The clock that a suspended process lost time by is not the store's: the keepers
// must not put it to and fro for ever.
func TestKeeper_ProcessWasSuspended_FollowsTheOthers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := newSkewed()
		a, b := New(store, Config{}), New(store, Config{})
		for _, k := range []*Keeper{a, b} {
			running(t, func(ctx context.Context) { k.Run(ctx) })
			advance(300 * time.Millisecond)
		}
		advance(10 * time.Second)
		suspend(a, time.Minute)
		advance(10 * time.Second)
		calls := store.Calls("SetOffset")
		if calls > 2*insist {
			t.Errorf("the offset was set %d times, want at most %d", calls, 2*insist)
		}
		if got := store.at(t); got.Offset != 0 || a.Now() != got.Now || b.Now() != got.Now {
			t.Errorf("the store shows %+v, the keepers %d and %d, want no offset", got, a.Now(), b.Now())
		}
		advance(time.Hour)
		if n := store.Calls("SetOffset") - calls; n != 0 {
			t.Errorf("the offset was set %d times in the hour after", n)
		}
	})
}

// suspend lets the keeper's process miss a time.
func suspend(k *Keeper, d time.Duration) {
	k.clock.mu.Lock()
	defer k.clock.mu.Unlock()
	k.clock.now -= d.Microseconds()
}

// Alone, a process that was suspended cannot tell; all deadlines wait as long as
// it did.
func TestKeeper_OnlyProcessWasSuspended_DeadlinesWait(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := newSkewed()
		k := New(store, Config{})
		running(t, func(ctx context.Context) { k.Run(ctx) })
		advance(10 * time.Second)
		suspend(k, time.Minute)
		before := k.Now()
		advance(10 * time.Second)
		if got := store.at(t); got.Offset != time.Minute.Microseconds() || got.Now != before+10_000_000 || k.Now() != got.Now {
			t.Errorf("the store shows %+v, the keeper %d, want presence time %d", got, k.Now(), before+10_000_000)
		}
	})
}

func TestKeeper_StoreJumpsAgainAndAgain_DeadlinesGoOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := newSkewed()
		k := New(store, Config{})
		running(t, func(ctx context.Context) { k.Run(ctx) })
		advance(10 * time.Second)
		before := k.Now()
		for range 10 {
			store.jump(time.Hour)
			advance(3 * time.Second)
		}
		for range 2 * insist { // the correction is lost, as by a store that forgets its last second
			at := store.at(t)
			if err := store.SetOffset(t.Context(), at.Offset, at.Offset-time.Hour.Microseconds()); err != nil {
				t.Fatal(err)
			}
			advance(5 * time.Second)
		}
		if got, want := store.at(t), before+60_000_000; got.Now != want || got.Offset != (10*time.Hour).Microseconds() || k.Now() != want {
			t.Errorf("the store shows %+v and the keeper %d, want presence time %d", got, k.Now(), want)
		}
	})
}

func TestKeeper_JumpWhileTheStoreRefuses_IsCorrectedLater(t *testing.T) {
	for _, fate := range []sluicetest.Fate{sluicetest.Refuse, sluicetest.Lose, sluicetest.Hang} {
		t.Run(fmt.Sprint("fate ", fate), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				store := newSkewed()
				k := New(store, Config{})
				running(t, func(ctx context.Context) { k.Run(ctx) })
				advance(10 * time.Second)
				before := k.Now()
				store.Fail("SetOffset", fate, errFault, 3)
				store.jump(time.Hour)
				advance(time.Minute)
				if got := store.at(t); got.Offset != time.Hour.Microseconds() || got.Now != before+60_000_000 || k.Now() != got.Now {
					t.Errorf("the store shows %+v and the keeper %d, want the offset 1h and %d", got, k.Now(), before+60_000_000)
				}
			})
		})
	}
}

func TestKeeper_StoreThatStandsStill_IsNoJump(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := newSkewed()
		k := New(store, Config{})
		running(t, func(ctx context.Context) { k.Run(ctx) })
		advance(10 * time.Second)
		began := k.Now()
		store.Fail("Clock", sluicetest.Hang, nil, 20)
		advance(200 * time.Second)
		if got := k.Now() - began; got != 200_000_000 {
			t.Errorf("%d us passed, want 200 s", got)
		}
		if n := store.Calls("SetOffset"); n != 0 {
			t.Errorf("the offset was set %d times", n)
		}
	})
}

// tardy answers late: the process was stopped meanwhile, so no timeout helped.
type tardy struct {
	Store
	by []time.Duration // of the next readings
}

func (s *tardy) Clock(ctx context.Context) (sluice.StoreClock, error) {
	c, err := s.Store.Clock(ctx)
	if len(s.by) > 0 {
		wait(s.by[0])
		s.by = s.by[1:]
	}
	return c, err
}

func TestKeeper_ProcessStoppedInItsFirstReading_MovesNoDeadline(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := newSkewed()
		k := New(&tardy{Store: store, by: []time.Duration{time.Minute}}, Config{})
		running(t, func(ctx context.Context) { k.Run(ctx) })
		advance(2 * time.Minute)
		if n := store.Calls("SetOffset"); n != 0 {
			t.Errorf("the offset was set %d times", n)
		}
		if got, want := k.Now(), store.at(t).Now; got != want {
			t.Errorf("the keeper shows %d, the store %d", got, want)
		}
	})
}

func TestBegin_NeedsTheStoresClock(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := newSkewed()
		slow := &tardy{Store: store, by: []time.Duration{time.Minute}}
		k := New(slow, Config{})
		l, err := store.Lease(t.Context(), "broker", "a", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		store.Fail("Clock", sluicetest.Refuse, errFault, 1)
		if err := k.Begin(t.Context(), l); !errors.Is(err, errFault) {
			t.Errorf("got %v, want the fault", err)
		}
		slow.by = []time.Duration{time.Minute}
		if err := k.Begin(t.Context(), l); err == nil {
			t.Error("began with a reading that says nothing")
		}
		if err := k.Begin(t.Context(), l); err != nil || k.Now() != store.at(t).Now {
			t.Errorf("got %v and %d", err, k.Now())
		}
		store.Fail("Attend", sluicetest.Refuse, errFault, 1)
		if err := k.Begin(t.Context(), l); !errors.Is(err, errFault) {
			t.Errorf("got %v, want the fault", err)
		}
	})
}
