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

const ms = time.Millisecond

func TestLane_SealsByAgeAtTheExactTime(t *testing.T) {
	policy := sluice.Policy{Max: 100, Min: 5, Timeout: time.Second, Linger: 3 * time.Second}
	for _, tt := range []struct {
		name      string
		published []time.Duration // one message each
		handled   []time.Duration
	}{
		{"timeout with min waiting", []time.Duration{0, 0, 0, 0, 0}, []time.Duration{time.Second}},
		{"linger below min", []time.Duration{0}, []time.Duration{3 * time.Second}},
		{"min reached after timeout", []time.Duration{0, 0, 0, 0, 1700 * ms}, []time.Duration{1700 * ms}},
		{"min reached before timeout", []time.Duration{0, 0, 0, 0, 900 * ms}, []time.Duration{time.Second}},
		{"age counts from the first", []time.Duration{0, 2900 * ms}, []time.Duration{3 * time.Second}},
		{"next batch has an age of its own", []time.Duration{0, 3500 * ms}, []time.Duration{3 * time.Second, 6500 * ms}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T) {
				h := newScript(nil)
				s := newSite(t, oneRoute(policy, h), sluicetest.BrokerConfig{})
				s.start(func(c *sluice.Config) { c.Sweep = time.Hour })
				for _, at := range tt.published {
					s.advance(at - s.elapsed())
					s.publish("t", 1)
				}
				s.advance(time.Minute)
				var got []time.Duration
				for _, c := range h.log() {
					got = append(got, c.at)
				}
				if diff := cmp.Diff(tt.handled, got); diff != "" {
					t.Errorf("handled at (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestLane_SealsOnTimeUnderAStreamOfSmallGroups(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		h := newScript(nil)
		s := newSite(t, oneRoute(sluice.Policy{Timeout: time.Second}, h), sluicetest.BrokerConfig{})
		s.start()
		for s.elapsed() < 2100*ms {
			s.publish("t", 1)
			s.advance(300 * time.Microsecond)
		}
		s.advance(2 * time.Second)
		got := h.log()
		if len(got) < 2 {
			t.Fatalf("%d batches in 2.1 s of a stream, want one per second", len(got))
		}
		for i, c := range got {
			if late := c.at - time.Duration(i+1)*time.Second; late < 0 || late > 10*ms {
				t.Errorf("batch %d handled at %v", i, c.at)
			}
		}
	})
}

func TestLane_SealOnceFailedIsRetriedSoon(t *testing.T) {
	for _, fate := range []sluicetest.Fate{sluicetest.Refuse, sluicetest.Lose} {
		inVirtual := func(t *testing.T) {
			h := newScript(nil)
			s := newSite(t, oneRoute(sluice.Policy{}, h), sluicetest.BrokerConfig{})
			s.start()
			s.advance(100 * ms)
			s.publish("t", 1)
			s.advance(0)
			s.queue.Fail("Seal", fate, errDown, 1)
			s.advance(1100 * ms)
			if got := h.log(); len(got) != 1 {
				t.Errorf("handled %v, want one batch within 100 ms of its age", got)
			}
		}
		t.Run(fmt.Sprint("fate ", fate), func(t *testing.T) { inVirtualTime(t, inVirtual) })
	}
}

func TestLane_SizeSealsWakeTheWorkersAtOnce(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		h := newScript(nil)
		s := newSite(t, oneRoute(sluice.Policy{Max: 10, Timeout: sluice.Never}, h), sluicetest.BrokerConfig{})
		s.queue.Fail("Watch", sluicetest.Refuse, errDown, -1) // no hints: the receipt must do
		s.start(func(c *sluice.Config) { c.Sweep, c.RetryMin, c.RetryMax = time.Hour, time.Hour, time.Hour })
		s.advance(time.Second)
		s.publish("t", 35)
		s.advance(0)
		got := h.log()
		if len(got) != 3 {
			t.Fatalf("%d batches handled at once, want 3", len(got))
		}
		for i, c := range got {
			if c.at != time.Second || c.n != 10 || c.first != fmt.Sprintf("t#%d", 10*i) {
				t.Errorf("batch %d: %+v", i, c)
			}
		}
	})
}

func TestLane_FindsWhatAnotherProcessLeft(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		h := newScript(nil)
		s := newSite(t, oneRoute(sluice.Policy{Max: 2}, h), sluicetest.BrokerConfig{})
		route := s.mux.Routes()[0]
		lease, err := s.store.Lease(t.Context(), "other", "other", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		append := func(number uint64, n int) {
			part := sluice.Part{Queue: "t", Policy: route.Policy}
			for i := range n {
				part.Frame.Append([]byte("t"), fmt.Appendf(nil, "left %d", i), time.Now().UnixMicro())
			}
			if _, err := s.store.Append(t.Context(), &sluice.Group{Lease: lease, Number: number, Parts: []sluice.Part{part}}); err != nil {
				t.Fatal(err)
			}
		}
		append(1, 5) // two sealed, one open
		s.advance(2 * time.Second)
		s.queue.Fail("Watch", sluicetest.Refuse, errDown, -1)
		s.start()
		s.advance(0)
		s.stored("t", 5, 5) // at the start
		append(2, 3)
		s.advance(10 * time.Second)
		s.stored("t", 8, 8) // by the sweep
	})
}

func TestLane_HintsWakeTheWorkersOfOtherRouters(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		h := newScript(nil)
		s := newSite(t, oneRoute(sluice.Policy{Max: 5}, h), sluicetest.BrokerConfig{})
		// The first router ingests and cannot claim; the second only works on batches.
		blind := sluicetest.Faulty(s.store, nil)
		blind.Fail("Claim", sluicetest.Refuse, errDown, -1)
		s.startOn(blind)
		s.start(func(c *sluice.Config) { c.Source, c.Sweep = nil, time.Hour })
		s.advance(10 * time.Second)
		s.publish("t", 5)
		s.advance(0)
		if got := h.log(); len(got) != 1 || got[0].at != 10*time.Second {
			t.Errorf("handled %v, want one batch at once", got)
		}
		s.queue.Break() // a watch that broke loses hints: everything is looked at again
		s.publish("t", 5)
		s.advance(100 * ms)
		s.stored("t", 10, 10)
	})
}

func TestLane_ConcurrencyOneKeepsOrderAcrossRetries(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		var done []string
		h := newScript(func(_ context.Context, n int, b *sluice.Batch) error {
			if n%3 != 0 {
				return errDown
			}
			for _, m := range b.Messages {
				done = append(done, string(m.Payload))
			}
			return nil
		})
		s := newSite(t, oneRoute(sluice.Policy{Max: 4}, h), sluicetest.BrokerConfig{})
		s.start()
		s.start() // the order holds over all routers
		s.publish("t", 100)
		s.advance(time.Hour)
		for i, got := range done {
			if want := fmt.Sprintf("t#%d", i); got != want {
				t.Fatalf("message %d handled is %s, want %s", i, got, want)
			}
		}
		s.stored("t", 100, 100)
		if h.peak() != 1 {
			t.Errorf("%d batches at the same time, want 1", h.peak())
		}
	})
}

func TestLane_ConcurrencyNRunsNAndNoMore(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		h := newScript(func(ctx context.Context, n int, _ *sluice.Batch) error {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			if n == 3 {
				return errDown // a batch in retry holds its place
			}
			return nil
		})
		m := sluice.NewMux()
		m.Add(sluice.Route{Topics: []string{"t"}, Policy: sluice.Policy{Max: 1}, Handler: h, Concurrency: 4})
		s := newSite(t, m, sluicetest.BrokerConfig{})
		s.start()
		s.start()
		s.publish("t", 40)
		s.advance(0)
		if got := len(h.log()); got != 4 {
			t.Errorf("%d batches running at once, want 4", got)
		}
		s.advance(11*time.Second + 200*ms) // 41 calls, 4 at a time
		s.stored("t", 40, 40)
		if h.peak() != 4 {
			t.Errorf("at most %d batches at the same time, want 4", h.peak())
		}
	})
}

func TestLane_OneSignalWakesAsManyWorkersAsThereIsWorkFor(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		h := newScript(func(context.Context, int, *sluice.Batch) error {
			time.Sleep(time.Second)
			return nil
		})
		m := sluice.NewMux()
		m.Add(sluice.Route{Topics: []string{"t"}, Policy: sluice.Policy{Max: 1}, Handler: h, Concurrency: 4})
		s := newSite(t, m, sluicetest.BrokerConfig{})
		s.queue.Fail("Watch", sluicetest.Refuse, errDown, -1) // no hints: one receipt is all there is
		s.start(func(c *sluice.Config) { c.Sweep, c.RetryMin, c.RetryMax = time.Hour, time.Hour, time.Hour })
		s.advance(10 * time.Second)
		s.publish("t", 4)
		s.advance(0)
		if h.peak() != 4 {
			t.Errorf("%d batches at the same time, want 4", h.peak())
		}
	})
}

func TestLane_RetriesWithGrowingCappedDelay(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		h := results(slices.Repeat([]error{errDown}, 12)...)
		s := newSite(t, oneRoute(sluice.Policy{Max: 1}, h), sluicetest.BrokerConfig{})
		s.start()
		s.publish("t", 1)
		s.advance(2 * time.Minute)
		got := h.log()
		if len(got) != 13 {
			t.Fatalf("%d calls, want 13", len(got))
		}
		want := 100 * ms
		for i := 1; i < len(got); i++ {
			if d := got[i].at - got[i-1].at; d < want/2 || d > want {
				t.Errorf("delay %d is %v, want within [%v, %v]", i, d, want/2, want)
			}
			if got[i].batch != got[0].batch || got[i].attempt != i+1 || got[i].n != 1 {
				t.Errorf("call %d: %+v, want attempt %d at the same batch", i, got[i], i+1)
			}
			want = min(2*want, 5*time.Second)
		}
		s.stored("t", 1, 1)
		if a, b := s.log.count("batch failed"), s.log.count("handled after failures"); a != 1 || b != 1 {
			t.Errorf("%d lines of failure and %d of recovery, want 1 and 1", a, b)
		}
	})
}

func TestLane_PanicIsRecoveredAndRetried(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		h := newScript(func(_ context.Context, n int, b *sluice.Batch) error {
			if n == 1 {
				_ = b.Messages[len(b.Messages)] //nolint:gocritic // it is to panic
			}
			return nil
		})
		s := newSite(t, oneRoute(sluice.Policy{}, h), sluicetest.BrokerConfig{})
		s.start()
		s.publish("t", 3)
		s.advance(2 * time.Second)
		s.stored("t", 3, 3)
		if n := s.log.count("lane_test.go"); n == 0 {
			t.Error("the log has no stack of the panic")
		}
	})
}

func TestLane_HandlerErrorsBecomeOutcomes(t *testing.T) {
	bad := func(indexes ...int) *sluice.BatchError {
		e := &sluice.BatchError{}
		for _, i := range indexes {
			e.Bad = append(e.Bad, sluice.BadMessage{Index: i, Reason: sluice.ReasonDecode})
		}
		return e
	}
	for _, tt := range []struct {
		name    string
		err     error
		retried int
		want    sluice.Account
	}{
		{"nil", nil, 0, sluice.Account{Stored: 4}},
		{"permanent", sluice.Permanent(errDown), 0, sluice.Account{Dead: 4}},
		{"permanent, wrapped", fmt.Errorf("no: %w", sluice.Permanent(errDown)), 0, sluice.Account{Dead: 4}},
		{"two bad", bad(3, 0), 0, sluice.Account{Stored: 2, Dead: 2}},
		{"wrapped", fmt.Errorf("oh: %w", bad(1)), 0, sluice.Account{Stored: 3, Dead: 1}},
		{"named twice", bad(1, 1), 0, sluice.Account{Stored: 3, Dead: 1}},
		{"duplicates only", &sluice.BatchError{Duplicates: 3}, 0, sluice.Account{Stored: 1, Duplicate: 3}},
		{"index below", bad(-1), 1, sluice.Account{Stored: 4}},
		{"index above", bad(0, 4), 1, sluice.Account{Stored: 4}},
		{"more duplicates than messages", &sluice.BatchError{Duplicates: 5}, 1, sluice.Account{Stored: 4}},
		{"bad and duplicates together too many", &sluice.BatchError{Bad: bad(0, 1).Bad, Duplicates: 3}, 1, sluice.Account{Stored: 4}},
		{"fewer than no duplicates", &sluice.BatchError{Duplicates: -1}, 1, sluice.Account{Stored: 4}},
		{"halt around permanent keeps the messages", sluice.Halt(sluice.Permanent(errDown)), 1, sluice.Account{Stored: 4}},
		{"transient", errDown, 1, sluice.Account{Stored: 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T) {
				s := newSite(t, oneRoute(sluice.Policy{}, results(tt.err)), sluicetest.BrokerConfig{})
				s.start()
				s.publish("t", 4)
				s.advance(10 * time.Second)
				tt.want.Received = 4
				if diff := cmp.Diff(tt.want, s.status("t").Account); diff != "" {
					t.Errorf("account (-want +got):\n%s", diff)
				}
				if s.seen.retried != tt.retried {
					t.Errorf("retried %d times, want %d", s.seen.retried, tt.retried)
				}
				if n := len(s.letters()); n != int(tt.want.Dead) {
					t.Errorf("%d dead letters, want %d", n, tt.want.Dead)
				}
			})
		})
	}
}

func TestLane_DeadLettersSayWhatAndWhy(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		var id sluice.BatchID
		m := sluice.NewMux()
		m.Handle("d/{device}", sluice.Policy{}, sluice.HandlerFunc(func(_ context.Context, b *sluice.Batch) error {
			id = b.ID
			return &sluice.BatchError{Bad: []sluice.BadMessage{
				{Index: 1, Reason: sluice.ReasonData, Code: "22003", Detail: "too hot", Device: "named"},
				{Index: 2, Reason: sluice.ReasonDecode},
			}}
		}))
		s := newSite(t, m, sluicetest.BrokerConfig{})
		s.start()
		for _, d := range []string{"a", "b", "c"} {
			s.broker.Publish("d/"+d, []byte(d))
		}
		s.advance(time.Second)
		handled := s.began.Add(time.Second)
		want := []sluice.DeadLetter{
			{Batch: id, Index: 1, Route: "d/{device}", Device: "named", Topic: "d/b", Payload: []byte("b"), Received: s.began, Reason: sluice.ReasonData, Code: "22003", Detail: "too hot", At: handled},
			{Batch: id, Index: 2, Route: "d/{device}", Device: "c", Topic: "d/c", Payload: []byte("c"), Received: s.began, Reason: sluice.ReasonDecode, At: handled},
		}
		if diff := cmp.Diff(want, s.letters()); diff != "" {
			t.Errorf("dead letters (-want +got):\n%s", diff)
		}
	})
}

func TestLane_HaltProbesTheOldestBatchUntilItSucceeds(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		mended := false
		h := newScript(func(context.Context, int, *sluice.Batch) error {
			if !mended {
				return sluice.Halt(errors.New("no such table"))
			}
			return nil
		})
		s := newSite(t, oneRoute(sluice.Policy{Max: 1}, h), sluicetest.BrokerConfig{})
		s.start()
		s.publish("t", 3)
		s.advance(61 * time.Second)
		got := h.log()
		if len(got) != 13 {
			t.Errorf("%d calls in 61 s, want one at once and every 5 s", len(got))
		}
		for i, c := range got {
			if want := time.Duration(i) * 5 * time.Second; c.at != want || c.first != "t#0" {
				t.Errorf("probe %d: %+v, want the oldest batch at %v", i, c, want)
			}
		}
		st := s.status("t")
		if st.Halted != "no such table" || !st.HaltedSince.Equal(s.began) || st.Queued() != 3 {
			t.Errorf("status %+v", st)
		}
		if n := s.log.count("route halted"); n != 1 {
			t.Errorf("said %d times that it halted, want once", n)
		}
		mended = true
		if err := s.queue.Resume(t.Context(), "t"); err != nil {
			t.Fatal(err)
		}
		s.advance(0) // a resume acts at once
		s.stored("t", 3, 3)
		if st := s.status("t"); st.Halted != "" {
			t.Errorf("still halted: %s", st.Halted)
		}
		if n := s.log.count("handled after failures"); n != 1 {
			t.Errorf("said %d times that it goes on, want once", n)
		}
	})
}

func TestLane_SlowHandlerKeepsItsClaim(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		h := newScript(func(ctx context.Context, _ int, _ *sluice.Batch) error {
			select {
			case <-time.After(10 * time.Minute):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
		s := newSite(t, oneRoute(sluice.Policy{Max: 1}, h), sluicetest.BrokerConfig{})
		s.start()
		s.start()
		s.queue.Fail("Extend", sluicetest.Lose, errDown, 2) // one transient failure is no loss
		s.publish("t", 1)
		s.advance(11 * time.Minute)
		if got := h.log(); len(got) != 1 {
			t.Errorf("handled %v, want once", got)
		}
		s.stored("t", 1, 1)
	})
}

func TestLane_LostClaimEndsTheHandlersContext(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		var ended time.Duration
		var cause error
		h := newScript(nil)
		h.act = func(ctx context.Context, n int, _ *sluice.Batch) error {
			if n == 1 {
				<-ctx.Done()
				ended, cause = time.Since(h.began), context.Cause(ctx)
			}
			return nil
		}
		s := newSite(t, oneRoute(sluice.Policy{Max: 1}, h), sluicetest.BrokerConfig{})
		s.start(func(c *sluice.Config) { c.ClaimTTL = 30 * time.Second })
		s.publish("t", 1)
		s.advance(time.Second)
		s.queue.Fail("Extend", sluicetest.Refuse, sluice.ErrLost, 1)
		s.advance(20 * time.Second)
		if ended != 10*time.Second || !errors.Is(cause, sluice.ErrLost) {
			t.Errorf("the context ended after %v with %v, want 10s and %v", ended, cause, sluice.ErrLost)
		}
		if n := s.queue.Calls("Complete") + s.queue.Calls("Release"); n != 0 {
			t.Errorf("a lost claim was settled %d times", n)
		}
		s.advance(30 * time.Second) // here nobody else has it: the claim expires
		s.stored("t", 1, 1)
	})
}

func TestLane_CompleteIsRepeatedAfterALostAnswer(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fate  sluicetest.Fate
		calls int // of Complete, until it is known
	}{
		{"refused", sluicetest.Refuse, 4},
		{"answer lost", sluicetest.Lose, 2},
		{"hanging", sluicetest.Hang, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T) {
				h := newScript(func(_ context.Context, n int, _ *sluice.Batch) error {
					return &sluice.BatchError{Bad: []sluice.BadMessage{{Index: 0, Reason: sluice.ReasonDecode}}}
				})
				s := newSite(t, oneRoute(sluice.Policy{}, h), sluicetest.BrokerConfig{})
				s.queue.Fail("Complete", tt.fate, errDown, 3)
				s.start()
				s.publish("t", 4)
				s.advance(time.Minute)
				if len(h.log()) != 1 || s.queue.Calls("Complete") != tt.calls {
					t.Errorf("handled %d times, completed %d times; want 1 and %d", len(h.log()), s.queue.Calls("Complete"), tt.calls)
				}
				if diff := cmp.Diff(sluice.Account{Received: 4, Stored: 3, Dead: 1}, s.status("t").Account); diff != "" {
					t.Errorf("account (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestLane_BatchOfALostReleaseOrClaimComesBackWhenTheClaimExpires(t *testing.T) {
	for _, op := range []string{"Claim", "Release"} {
		fate := map[string]sluicetest.Fate{"Claim": sluicetest.Lose, "Release": sluicetest.Refuse}[op]
		t.Run(op, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T) {
				s := newSite(t, oneRoute(sluice.Policy{}, results(errDown)), sluicetest.BrokerConfig{})
				s.start()
				s.publish("t", 1)
				s.advance(500 * ms)
				s.queue.Fail(op, fate, errDown, 1)
				s.advance(7 * time.Second)
				s.stored("t", 1, 0)
				s.advance(3 * time.Second)
				s.stored("t", 1, 1)
			})
		})
	}
}

func TestLane_DeadLettersPassThroughTheirOwnLane(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		var kept []sluice.DeadLetter
		dead := newScript(func(_ context.Context, n int, b *sluice.Batch) error {
			if n == 1 {
				return errDown
			}
			refused := &sluice.BatchError{}
			for i, m := range b.Messages {
				if d := decodeLetter(t, m); d.Reason == sluice.ReasonPermanent && d.Index < 2 {
					refused.Bad = append(refused.Bad, sluice.BadMessage{Index: i, Reason: sluice.ReasonData})
				} else {
					kept = append(kept, d)
				}
			}
			return refused
		})
		s := newSite(t, oneRoute(sluice.Policy{}, results(sluice.Permanent(errDown))), sluicetest.BrokerConfig{})
		r, _ := s.start(func(c *sluice.Config) { c.Dead = dead })
		if diff := cmp.Diff([]string{"t", sluice.QueueDead}, r.Queues()); diff != "" {
			t.Errorf("queues (-want +got):\n%s", diff)
		}
		s.publish("t", 5)
		s.broker.Publish("t", make([]byte, sluice.MaxPayload+1))
		s.advance(10 * time.Second)
		if len(kept) != 4 {
			t.Errorf("%d dead letters kept, want 4", len(kept))
		}
		want := sluice.Account{Received: 6, Stored: 4, Dropped: map[string]int64{sluice.DropUnstorable: 2}}
		if diff := cmp.Diff(want, s.status(sluice.QueueDead).Account); diff != "" {
			t.Errorf("account of %s (-want +got):\n%s", sluice.QueueDead, diff)
		}
	})
}

func TestLane_DeadLetterOfADeadLetterIsADrop(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, oneRoute(sluice.Policy{}, results(sluice.Permanent(errDown))), sluicetest.BrokerConfig{})
		s.start(func(c *sluice.Config) { c.Dead = results(sluice.Permanent(errDown)) })
		s.publish("t", 5)
		s.advance(time.Hour)
		want := sluice.Account{Received: 5, Dropped: map[string]int64{sluice.DropUnstorable: 5}}
		if diff := cmp.Diff(want, s.status(sluice.QueueDead).Account); diff != "" {
			t.Errorf("account of %s (-want +got):\n%s", sluice.QueueDead, diff)
		}
	})
}

// A batch that leaves dead letters wakes their lane: they wait for the dead
// letters' own timeout, not for the sweep.
func TestLane_DeadLettersOfABatchAreHandledInTime(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		dead := newScript(nil)
		s := newSite(t, oneRoute(sluice.Policy{Max: 5}, results(sluice.Permanent(errDown))), sluicetest.BrokerConfig{})
		s.start(func(c *sluice.Config) { c.Dead = dead; c.Sweep = time.Hour })
		s.advance(time.Minute)
		s.publish("t", 5)
		s.advance(sluice.DeadPolicy().Timeout + 100*time.Millisecond)
		if calls := dead.log(); len(calls) != 1 || calls[0].n != 5 {
			t.Errorf("calls of the dead letters' handler: got %+v, want one with 5", calls)
		}
	})
}
