package sluice_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice"
	"sluice/sluicetest"
)

func TestIngest_AcksNothingBeforeItsAppendSucceeded(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		mux := oneRoute(sluice.Policy{}, newScript(nil))
		var s *site
		early := 0
		s = newSite(t, mux, sluicetest.BrokerConfig{Group: 7, OnAck: func(ds []sluice.Delivery) {
			if int(s.status("t").Account.Received) < len(s.broker.Acked())+len(ds) {
				early++
			}
		}})
		s.queue.Fail("Append", sluicetest.Refuse, errDown, 5)
		s.publish("t", 50)
		s.start()
		s.advance(60 * time.Millisecond) // the shortest first delay is 50 ms, the second 100 ms
		s.acked(0)
		s.advance(10 * time.Second)
		s.acked(50)
		s.stored("t", 50, 50)
		if early > 0 {
			t.Errorf("%d acknowledgements before their append", early)
		}
		for i, p := range s.broker.Acked() {
			if want := fmt.Sprintf("t#%d", i); string(p.Payload) != want {
				t.Fatalf("acknowledgement %d is of %q, want %q", i, p.Payload, want)
			}
		}
		s.events(sluice.EventAppendFailed, 5)
		if n := s.log.count("append failed"); n != 1 {
			t.Errorf("%d log lines about a failing append, want 1", n)
		}
	})
}

// numbers wraps a queue and notes the group numbers of its appends.
type numbers struct {
	sluice.Queue
	got *[]uint64
}

func (q numbers) Append(ctx context.Context, g *sluice.Group) (sluice.Receipt, error) {
	*q.got = append(*q.got, g.Number)
	return q.Queue.Append(ctx, g)
}

func TestIngest_RepeatsAnAppendUnderItsNumber(t *testing.T) {
	for _, fate := range []sluicetest.Fate{sluicetest.Refuse, sluicetest.Lose, sluicetest.Hang} {
		t.Run(fmt.Sprint("fate ", fate), func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T) {
				s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{Group: 10})
				s.queue.Fail("Append", fate, errDown, 2)
				s.publish("t", 20)
				var got []uint64
				s.startOn(numbers{s.queue, &got})
				s.advance(30 * time.Second)
				if diff := cmp.Diff([]uint64{1, 1, 1, 2}, got); diff != "" {
					t.Errorf("group numbers (-want +got):\n%s", diff)
				}
				s.acked(20)
				s.stored("t", 20, 20)
			})
		})
	}
}

func TestIngest_FullQueueHoldsTheBrokerBackAndRecovers(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{ReceiveMaximum: 10})
		s.store.SetFull(true)
		s.publish("t", 100)
		r, _ := s.start()
		s.advance(10 * time.Minute)
		s.acked(0)
		if n := s.broker.Unacked(); n != 10 {
			t.Errorf("%d messages in flight, want the receive maximum, 10", n)
		}
		if !r.Leading() || s.broker.Opens() != 1 {
			t.Errorf("leading %v after %d connections; want the first one kept", r.Leading(), s.broker.Opens())
		}
		if n := s.seen.count(sluice.EventFull); n < 120 || n > 260 {
			t.Errorf("tried %d times in 10 minutes, want every 2.5 to 5 s", n)
		}
		s.events(sluice.EventAppendFailed, 0)
		s.store.SetFull(false)
		s.advance(5 * time.Second)
		s.acked(100)
		s.advance(time.Second)
		s.stored("t", 100, 100)
	})
}

// sizes wraps a queue and notes the record bytes of its appends. It refuses those
// above most.
type sizes struct {
	sluice.Queue
	most int
	got  *[]int
}

func (q sizes) Append(ctx context.Context, g *sluice.Group) (sluice.Receipt, error) {
	size := 0
	for _, p := range g.Parts {
		size += len(p.Frame.Data)
	}
	*q.got = append(*q.got, size)
	if size > q.most {
		return sluice.Receipt{}, sluice.ErrFull
	}
	return q.Queue.Append(ctx, g)
}

// What gathers while the queue is full must not be one group that never fits.
func TestIngest_ManyLargeMessagesAreSeveralGroups(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{ReceiveMaximum: 1000})
		const messages, bytes = 100, 50_000
		s.broker.Publish("t", slices.Repeat([][]byte{make([]byte, bytes)}, messages)...)
		var got []int
		s.startOn(sizes{s.queue, 1 << 20, &got})
		s.advance(30 * time.Second)
		s.acked(messages)
		s.stored("t", messages, messages)
		want := slices.Repeat([]int{20 * (sluice.FrameHeader + 1 + bytes)}, 5)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sizes of the groups (-want +got):\n%s", diff)
		}
	})
}

func TestIngest_SaysWhenAFullQueueBecomesADeadOne(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{})
		s.store.SetFull(true)
		s.publish("t", 1)
		s.start()
		s.advance(time.Minute)
		s.queue.Fail("Append", sluicetest.Refuse, errDown, -1)
		s.advance(time.Minute)
		if n := s.log.count("append failed"); n != 2 {
			t.Errorf("%d log lines, want one per kind of failure", n)
		}
		s.queue.Fail("Append", sluicetest.Pass, nil, 0)
		s.store.SetFull(false)
		s.advance(time.Minute)
		s.stored("t", 1, 1)
	})
}

func TestIngest_FencedClosesTheSessionAndStandsBy(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{})
		r, _ := s.start()
		s.advance(0)
		s.queue.Fail("Append", sluicetest.Refuse, sluice.ErrFenced, 1)
		s.queue.Fail("Lease", sluicetest.Refuse, sluice.ErrHeld, -1)
		s.publish("t", 5)
		s.advance(time.Minute)
		s.acked(0)
		if r.Leading() || s.broker.Connected() || s.broker.Opens() != 1 {
			t.Errorf("leading %v, connected %v, %d connections; want a closed session and no other", r.Leading(), s.broker.Connected(), s.broker.Opens())
		}
		if err := r.Fault(); err != nil {
			t.Errorf("standing by is a fault: %v", err)
		}
		if n := s.log.count("standing by"); n != 1 {
			t.Errorf("said %d times that it stands by, want once", n)
		}
		s.queue.Fail("Lease", sluicetest.Pass, nil, 0)
		s.advance(time.Second)
		s.acked(5)
	})
}

func TestIngest_LostLeaseEndsAnIdleSession(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{})
		r, _ := s.start()
		s.advance(0)
		s.queue.Fail("Renew", sluicetest.Refuse, sluice.ErrFenced, 1)
		s.queue.Fail("Lease", sluicetest.Refuse, sluice.ErrHeld, -1)
		s.advance(4 * time.Second) // a third of the lease's time and a little
		if r.Leading() || s.broker.Connected() {
			t.Error("still reading the broker without the lease")
		}
	})
}

func TestIngest_KeepsReadingWhileTheLeaseCannotBeRenewed(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{})
		r, _ := s.start()
		s.advance(0)
		s.queue.Fail("Renew", sluicetest.Hang, nil, -1)
		s.advance(10 * time.Minute)
		s.publish("t", 5)
		s.advance(time.Second)
		s.acked(5)
		if !r.Leading() || s.broker.Opens() != 1 {
			t.Errorf("leading %v after %d connections, want the first one kept", r.Leading(), s.broker.Opens())
		}
	})
}

func TestIngest_BrokerDownIsRetriedWithBackoffAndGivesTheLeaseUp(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{})
		s.broker.Refuse(errDown)
		r, _ := s.start()
		s.advance(time.Hour)
		if n := s.broker.Opens(); n < 720 || n > 1500 {
			t.Errorf("%d connections tried in an hour, want one every 2.5 to 5 s", n)
		}
		if err := r.Fault(); !errors.Is(err, errDown) {
			t.Errorf("fault is %v, want %v", err, errDown)
		}
		if _, err := s.store.Lease(t.Context(), "broker", "other", time.Nanosecond); err != nil {
			t.Errorf("another router cannot have the lease: %v", err)
		}
		s.broker.Refuse(nil)
		s.publish("t", 3)
		s.advance(5 * time.Second)
		s.acked(3)
	})
}

func TestIngest_FirstSessionIsNoLostOne(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{})
		s.broker.Refuse(errDown) // the broker is started after the router
		s.start()
		s.advance(time.Minute)
		s.broker.Refuse(nil)
		s.advance(time.Minute)
		s.events(sluice.EventLeading, 1)
		s.events(sluice.EventSessionLost, 0)
	})
}

func TestIngest_LostSessionClearsTheRedeliveryRecord(t *testing.T) {
	for _, failures := range []int{0, 3} {
		t.Run(fmt.Sprint("Forget fails ", failures), func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T) {
				s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{})
				s.start()
				s.publish("t", 1)
				s.advance(time.Second)
				s.queue.Fail("Forget", sluicetest.Refuse, errDown, failures)
				s.broker.Lose()
				// A new message that looks like the one on record.
				s.broker.Send(sluicetest.Publish{Topic: "t", Payload: []byte("t#0"), QoS: 1, PacketID: 1, Dup: true})
				s.advance(10 * time.Second)
				s.events(sluice.EventSessionLost, 1)
				s.acked(2)
				s.stored("t", 2, 2)
				if n := s.log.count("lost the session"); n != 1 {
					t.Errorf("%d log lines about the lost session, want 1", n)
				}
			})
		})
	}
}

func TestIngest_RedeliveredAfterALostAckIsCountedNotStored(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{})
		s.broker.FailAck(2)
		s.start()
		s.publish("t", 10)
		s.advance(10 * time.Second)
		s.acked(10)
		s.stored("t", 30, 10) // received three times
		if got := s.status("t").Account.Dropped[sluice.DropRedelivery]; got != 20 {
			t.Errorf("%d counted as redelivered, want 20", got)
		}
		s.events(sluice.EventSessionLost, 0)
	})
}

func TestIngest_LanesHearOfAGroupWhoseAckFailed(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		h := newScript(nil)
		s := newSite(t, oneRoute(sluice.Policy{Timeout: 100 * time.Millisecond}, h), sluicetest.BrokerConfig{})
		s.start()
		s.advance(time.Second)
		s.broker.FailAck(1)
		s.broker.Refuse(errDown)
		s.publish("t", 1)
		s.advance(time.Second)
		if got := h.log(); len(got) != 1 || got[0].at != 1100*time.Millisecond {
			t.Errorf("handled %v, want once after 1.1s", got)
		}
	})
}

func TestIngest_DupAloneProvesNothing(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{})
		s.start()
		s.broker.Send(sluicetest.Publish{Topic: "t", Payload: []byte("a"), QoS: 1, Dup: true, PacketID: 9})
		s.advance(time.Second)
		s.broker.Break()
		s.advance(time.Second) // now packet 9 is on record
		s.broker.Send(
			sluicetest.Publish{Topic: "t", Payload: []byte("b"), QoS: 1, Dup: true, PacketID: 9},
			sluicetest.Publish{Topic: "t", Payload: []byte("a"), QoS: 1, Dup: true, PacketID: 10},
			sluicetest.Publish{Topic: "t", Payload: []byte("a"), QoS: 1, PacketID: 11})
		s.advance(time.Second)
		s.broker.Send(sluicetest.Publish{Topic: "t", Payload: []byte("a"), QoS: 1, Dup: false, PacketID: 9})
		s.advance(5 * time.Second)
		s.acked(5)
		s.stored("t", 5, 5)
	})
}

func TestIngest_WarnsOnceOfPacketIDsReusedEarly(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{ReceiveMaximum: 10, MaxPacketID: 15})
		s.start()
		s.publish("t", 15)
		s.advance(time.Second)
		s.events(sluice.EventPacketReuse, 0)
		s.publish("t", 100)
		s.advance(5 * time.Second)
		s.events(sluice.EventPacketReuse, 1)
		s.stored("t", 115, 115)
	})
}

func TestIngest_TwoRoutersOneReads(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{})
		a, _ := s.start()
		s.advance(0)
		b, _ := s.start()
		for range 600 {
			s.publish("t", 1)
			s.advance(time.Second)
		}
		if !a.Leading() || b.Leading() || s.broker.Opens() != 1 {
			t.Errorf("leading: %v and %v after %d connections; want the first router to keep the first one", a.Leading(), b.Leading(), s.broker.Opens())
		}
		s.acked(600)
	})
}

func TestIngest_StandbyTakesOverWithinASecondOfAStop(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{})
		_, stop := s.start()
		s.advance(0)
		b, _ := s.start()
		s.advance(30*time.Second + 300*time.Millisecond)
		s.publish("t", 10)
		stop()
		s.publish("t", 10)
		s.advance(time.Second)
		if !b.Leading() {
			t.Error("the standby does not lead a second after the stop")
		}
		s.acked(20)
		s.advance(time.Second)
		s.stored("t", 20, 20)
		s.events(sluice.EventSessionLost, 0)
	})
}

func TestIngest_TakeoverAfterTheLeaseExpiredWithoutMutualKicking(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{})
		cut := sluicetest.Faulty(s.store, nil) // what the first router sees of the store
		a, _ := s.startOn(cut)
		s.advance(0)
		b, _ := s.start()
		s.advance(5 * time.Second)
		for _, op := range []string{"Append", "Renew", "Lease", "Unlease"} {
			cut.Fail(op, sluicetest.Hang, nil, -1)
		}
		s.publish("t", 10)
		s.advance(7 * time.Second) // renewed last at 3.3 s, expires at 13.3 s
		if b.Leading() {
			t.Error("the standby took over before the lease expired")
		}
		s.advance(4 * time.Second)
		if !b.Leading() {
			t.Error("the standby did not take over after the lease expired")
		}
		s.acked(10)
		for _, op := range []string{"Append", "Renew", "Lease", "Unlease"} {
			cut.Fail(op, sluicetest.Pass, nil, 0)
		}
		s.advance(10 * time.Minute)
		if a.Leading() || !b.Leading() || s.broker.Opens() != 2 {
			t.Errorf("leading: %v and %v after %d connections; want only the second, and 2", a.Leading(), b.Leading(), s.broker.Opens())
		}
		s.stored("t", 10, 10)
	})
}

func TestIngest_SortsOutWhatIsNotStored(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		mux := sluice.NewMux()
		mux.Handle("data/{device}", sluice.Policy{}, newScript(nil))
		mux.Handle("data/#", sluice.Policy{}, newScript(nil))
		s := newSite(t, mux, sluicetest.BrokerConfig{})
		s.start()
		big := make([]byte, sluice.MaxPayload+1)
		s.broker.Publish("data/a", []byte("two copies"))
		s.broker.Publish("data/a/b", []byte("one copy"))
		s.broker.Publish("data/dev-7", big)
		s.broker.Send(
			sluicetest.Publish{Topic: "data/a", Payload: []byte("replayed"), QoS: 1, Retain: true, Subscriptions: []uint32{1}},
			sluicetest.Publish{Topic: "data/a", Payload: []byte("no promise"), Subscriptions: []uint32{1}},
			sluicetest.Publish{Topic: "data/a", Payload: big[1:], QoS: 1, Subscriptions: []uint32{2, 1}},
			sluicetest.Publish{Topic: "old/topic", Payload: []byte("nobody's"), QoS: 1, Subscriptions: []uint32{9}},
			sluicetest.Publish{Topic: "old/other", Payload: []byte("nobody's"), QoS: 1, Subscriptions: []uint32{9}},
		)
		s.advance(5 * time.Second)
		s.acked(9) // all of QoS 1
		want := sluice.Account{Received: 7, Stored: 3, Dead: 1, Dropped: map[string]int64{sluice.DropOverlap: 2, sluice.DropRetained: 1}}
		if diff := cmp.Diff(want, s.status("data/{device}").Account); diff != "" {
			t.Errorf("account (-want +got):\n%s", diff)
		}
		s.stored("data/#", 1, 1)
		s.events(sluice.EventUnrouted, 2)
		if n := s.log.count("without a route"); n != 1 {
			t.Errorf("%d log lines about unrouted topics, want 1 per session", n)
		}
		letters := s.letters()
		if len(letters) != 1 {
			t.Fatalf("%d dead letters, want 1", len(letters))
		}
		d := letters[0]
		if d.Reason != sluice.ReasonTooLarge || d.Device != "dev-7" || d.Route != "data/{device}" || d.Topic != "data/dev-7" || len(d.Payload) != len(big) || !d.Received.Equal(s.began) {
			t.Errorf("dead letter %+v", d)
		}
	})
}

func TestIngest_ChangedConfigurationUnsubscribesAndKeepsWhatWaited(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		old := sluice.NewMux()
		old.Handle("t", sluice.Policy{}, newScript(nil))
		old.Handle("gone/+", sluice.Policy{}, newScript(nil))
		s := newSite(t, old, sluicetest.BrokerConfig{})
		_, stop := s.start()
		s.advance(time.Second)
		stop()

		s.mux = sluice.NewMux()
		s.mux.Handle("{any}", sluice.Policy{}, newScript(nil))
		// What the broker kept for the old filter, and a new message.
		s.broker.Send(
			sluicetest.Publish{Topic: "t", Payload: []byte("waited"), QoS: 1, Subscriptions: []uint32{0}},
			sluicetest.Publish{Topic: "t", Payload: []byte("new"), QoS: 1, Subscriptions: []uint32{1}})
		s.queue.Fail("Subscribe", sluicetest.Refuse, errDown, 3)
		_, stop = s.start()
		s.advance(time.Minute)
		if diff := cmp.Diff([]string{"gone/+", "t"}, slices.Sorted(slices.Values(s.broker.Obsolete()))); diff != "" {
			t.Errorf("unsubscribed (-want +got):\n%s", diff)
		}
		s.stored("{any}", 2, 2)
		stop()

		s.start()
		s.advance(time.Minute)
		if got := s.broker.Obsolete(); len(got) != 0 {
			t.Errorf("unsubscribed %q again", got)
		}
	})
}
