package sluice_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice"
	"sluice/sluicetest"
)

func TestRouter_NewStartsNothing(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{})
		r := sluice.NewRouter(s.queue, s.mux, s.config())
		s.advance(time.Minute)
		if s.broker.Opens() != 0 || s.queue.Calls("Claim")+s.queue.Calls("Seal") != 0 || r.Leading() {
			t.Error("a router that does not run did something")
		}
	})
}

func TestRouter_RunEndsAtOnceWhenNothingIsToBeDone(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{})
		r, stop := s.start()
		s.publish("t", 5)
		s.advance(10 * time.Second)
		before := time.Now()
		stop() // the bubble fails the test when a goroutine is left
		if took := time.Since(before); took != 0 {
			t.Errorf("the stop took %v", took)
		}
		if r.Leading() || s.broker.Connected() {
			t.Error("still reading the broker")
		}
		if _, err := s.store.Lease(t.Context(), "broker", "other", time.Second); err != nil {
			t.Errorf("the lease was not given up: %v", err)
		}
	})
}

func TestRouter_RunUnderAnEndedContextReturns(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := sluice.NewRouter(s.queue, s.mux, s.config()).Run(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestRouter_ShutdownLetsHandlersFinish(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		h := newScript(func(ctx context.Context, _ int, _ *sluice.Batch) error {
			select {
			case <-time.After(5 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		s := newSite(t, oneRoute(sluice.Policy{Max: 1}, h), sluicetest.BrokerConfig{})
		_, stop := s.start()
		s.publish("t", 2)
		s.advance(time.Second)
		before := time.Now()
		stop()
		if took := time.Since(before); took != 4*time.Second {
			t.Errorf("the stop took %v, want the 4s that the handler still needed", took)
		}
		s.stored("t", 2, 1)
		if got := h.log(); len(got) != 1 {
			t.Errorf("handled %v: claimed after the stop", got)
		}
	})
}

func TestRouter_AfterTheGraceBatchesAreClaimableAtOnce(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		h := newScript(func(ctx context.Context, n int, _ *sluice.Batch) error {
			if n > 1 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		})
		s := newSite(t, oneRoute(sluice.Policy{Max: 1}, h), sluicetest.BrokerConfig{})
		_, stop := s.start(func(c *sluice.Config) { c.ShutdownTimeout = 3 * time.Second })
		s.publish("t", 1)
		s.advance(time.Second)
		before := time.Now()
		stop()
		if took := time.Since(before); took != 3*time.Second {
			t.Errorf("the stop took %v, want ShutdownTimeout", took)
		}
		s.start()
		s.advance(0)
		s.stored("t", 1, 1)
	})
}

func TestRouter_BatchDoneAtTheEndOfTheGraceIsNotHandledAgain(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		h := newScript(func(ctx context.Context, _ int, _ *sluice.Batch) error {
			<-ctx.Done()
			return nil // it committed at the last moment
		})
		s := newSite(t, oneRoute(sluice.Policy{Max: 1}, h), sluicetest.BrokerConfig{})
		_, stop := s.start()
		s.publish("t", 1)
		s.advance(time.Second)
		stop()
		s.stored("t", 1, 1)
	})
}

// slow is a queue whose answers take a while, as those of a busy store do; like
// a real one it does not undo what it did when the caller is gone.
type slow struct {
	sluice.Queue
	delay time.Duration
}

func (q slow) pass(ctx context.Context) error {
	select {
	case <-time.After(q.delay):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q slow) Append(ctx context.Context, g *sluice.Group) (sluice.Receipt, error) {
	r, err := q.Queue.Append(ctx, g)
	return r, errors.Join(err, q.pass(ctx))
}

func (q slow) Claim(ctx context.Context, r sluice.ClaimRequest) (sluice.ClaimResult, error) {
	c, err := q.Queue.Claim(ctx, r)
	return c, errors.Join(err, q.pass(ctx))
}

func (q slow) Lease(ctx context.Context, session, holder string, ttl time.Duration) (sluice.Lease, error) {
	l, err := q.Queue.Lease(ctx, session, holder, ttl)
	return l, errors.Join(err, q.pass(ctx))
}

func TestRouter_ShutdownFinishesTheAppendInFlight(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{})
		_, stop := s.startOn(slow{s.queue, 100 * ms})
		s.advance(time.Second)
		s.publish("t", 10)
		synctest.Wait() // the append is in flight
		s.acked(0)
		stop()
		s.acked(10)
		if got := s.seen.messages; got != 10 {
			t.Errorf("%d messages appended, want 10", got)
		}
	})
}

func TestRouter_ShutdownLosesNoClaimInFlight(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{Max: 1}, newScript(nil)), sluicetest.BrokerConfig{})
		_, stop := s.startOn(slow{s.queue, 100 * ms})
		s.advance(time.Second)
		s.publish("t", 1)
		s.advance(50 * ms) // the hint came before the answer of the append; the claim is in flight
		if st := s.status("t"); st.Claimed != 1 {
			t.Fatalf("status %+v, want a claim in flight", st)
		}
		stop()
		s.stored("t", 1, 1)
	})
}

func TestRouter_ShutdownKeepsNoLeaseInFlight(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{Max: 1}, newScript(nil)), sluicetest.BrokerConfig{})
		_, stop := s.startOn(slow{s.queue, 100 * ms})
		s.advance(50 * ms)
		stop()
		if _, err := s.store.Lease(t.Context(), "broker", "other", time.Second); err != nil {
			t.Errorf("the lease was not given up: %v", err)
		}
	})
}

func TestRouter_ShutdownWithADeadStoreIsBounded(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{Max: 1}, newScript(nil)), sluicetest.BrokerConfig{})
		_, stop := s.start()
		s.advance(time.Second)
		for _, op := range []string{"Append", "Claim", "Seal", "Renew", "Unlease", "Complete", "Release"} {
			s.queue.Fail(op, sluicetest.Hang, nil, -1)
		}
		s.publish("t", 10)
		s.advance(time.Minute)
		before := time.Now()
		stop()
		if took := time.Since(before); took > 8*time.Second {
			t.Errorf("the stop took %v, want at most 8s", took)
		}
		s.acked(0)
	})
}

func TestRouter_IdleCallsTheStoreOnlyToSweep(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		m := sluice.NewMux()
		m.Handle("a", sluice.Policy{}, newScript(nil))
		m.Add(sluice.Route{Topics: []string{"b"}, Handler: newScript(nil), Concurrency: 4})
		s := newSite(t, m, sluicetest.BrokerConfig{})
		s.start(func(c *sluice.Config) { c.Dead = newScript(nil) })
		s.publish("a", 10)
		s.publish("b", 10)
		s.advance(10 * time.Second)
		before := map[string]int{}
		ops := []string{"Lease", "Renew", "Unlease", "Forget", "Append", "Seal", "Claim", "Extend", "Complete", "Release", "Status", "Watch"}
		for _, op := range ops {
			before[op] = s.queue.Calls(op)
		}
		s.advance(time.Hour)
		most := map[string]int{"Renew": 1081, "Seal": 3 * 721, "Claim": 6 * 721} // every 3.3 s; per lane; per worker
		for _, op := range ops {
			if n := s.queue.Calls(op) - before[op]; n > most[op] {
				t.Errorf("%d calls of %s in an idle hour, want at most %d", n, op, most[op])
			}
		}
	})
}

func TestRouter_DeadStoreIsNotHammered(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{}, newScript(nil)), sluicetest.BrokerConfig{})
		ops := []string{"Lease", "Seal", "Claim", "Watch"}
		for _, op := range ops {
			s.queue.Fail(op, sluicetest.Refuse, errDown, -1)
		}
		s.start()
		s.advance(time.Hour)
		for _, op := range ops {
			// The backoff ends at 2.5 to 5 s; a watch that breaks makes the worker look.
			if n := s.queue.Calls(op); n < 700 || n > 3000 {
				t.Errorf("%d calls of %s in an hour", n, op)
			}
			s.queue.Fail(op, sluicetest.Pass, nil, 0)
		}
		s.publish("t", 3)
		s.advance(10 * time.Second)
		s.stored("t", 3, 3)
	})
}

func TestRouter_MiddlewareWrapsInOrder(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		var got []string
		note := func(name string) sluice.Middleware {
			return func(next sluice.Handler) sluice.Handler {
				return sluice.HandlerFunc(func(ctx context.Context, b *sluice.Batch) error {
					got = append(got, name+" in")
					defer func() { got = append(got, name+" out") }()
					return next.Handle(ctx, b)
				})
			}
		}
		m := sluice.NewMux()
		m.Use(note("first"), note("second"))
		m.Handle("t/{device}", sluice.Policy{}, sluice.HandlerFunc(func(_ context.Context, b *sluice.Batch) error {
			got = append(got, b.Capture(0, "device"))
			return nil
		}))
		m.Use(note("third"))
		s := newSite(t, m, sluicetest.BrokerConfig{})
		s.start()
		s.publish("t/dev-1", 1)
		s.advance(2 * time.Second)
		want := []string{"first in", "second in", "third in", "dev-1", "third out", "second out", "first out"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

func TestRouter_OnlyHandlesBatchesWithoutASource(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		h := newScript(nil)
		s := newSite(t, oneRoute(sluice.Policy{}, h), sluicetest.BrokerConfig{})
		blind := sluicetest.Faulty(s.store, nil)
		blind.Fail("Claim", sluicetest.Refuse, errDown, -1)
		s.startOn(blind)
		worker, _ := s.start(func(c *sluice.Config) { c.Source = nil })
		s.publish("t", 5)
		s.advance(10 * time.Second)
		s.stored("t", 5, 5)
		if worker.Leading() || worker.Fault() != nil {
			t.Error("a router without a source leads or complains")
		}
	})
}

func TestRouter_FaultOfOneRouteLeavesTheOthersAlone(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		m := sluice.NewMux()
		m.Handle("bad", sluice.Policy{Max: 1}, results(slices.Repeat([]error{errDown}, 1000)...))
		m.Handle("halted", sluice.Policy{Max: 1}, results(slices.Repeat([]error{sluice.Halt(errDown)}, 1000)...))
		m.Handle("good", sluice.Policy{Max: 1}, newScript(nil))
		s := newSite(t, m, sluicetest.BrokerConfig{})
		s.start()
		for range 100 {
			s.publish("bad", 1)
			s.publish("halted", 1)
			s.publish("good", 1)
			s.advance(0)
		}
		s.stored("good", 100, 100)
		s.stored("bad", 100, 0)
		s.stored("halted", 100, 0)
		s.acked(300)
	})
}
