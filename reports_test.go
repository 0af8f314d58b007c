package sluice_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice"
	"sluice/sluicetest"
)

// reader is a handler that notes the messages of the batches that it is done
// with, and does what act says.
type reader struct {
	began time.Time
	// act gets the number of the call, from 1. Nil: every batch is done.
	act func(ctx context.Context, n int, b *sluice.Batch) error

	mu    sync.Mutex
	calls []time.Duration // since the reader was made
	got   []string        // payloads
}

func newReader(act func(ctx context.Context, n int, b *sluice.Batch) error) *reader {
	return &reader{began: time.Now(), act: act}
}

func (r *reader) Handle(ctx context.Context, b *sluice.Batch) error {
	r.mu.Lock()
	r.calls = append(r.calls, time.Since(r.began))
	n := len(r.calls)
	r.mu.Unlock()
	if r.act != nil {
		if err := r.act(ctx, n, b); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range b.Messages {
		r.got = append(r.got, string(m.Payload))
	}
	return nil
}

// read returns the messages so far.
func (r *reader) read() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// called returns when it was called.
func (r *reader) called() []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// wants checks the messages so far.
func (r *reader) wants(t testing.TB, who string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, r.read()); diff != "" {
		t.Errorf("%s got (-want +got):\n%s", who, diff)
	}
}

// enqueue puts messages into a queue, as moves and deadlines do.
func (s *site) enqueue(queue string, p sluice.Policy, payloads ...string) {
	s.Helper()
	l, err := s.store.Lease(s.Context(), "enqueue", "test", time.Hour)
	if err != nil {
		s.Fatal(err)
	}
	part := sluice.Part{Queue: queue, Policy: p}
	for _, payload := range payloads {
		part.Frame.Append([]byte("the topic"), []byte(payload), s.began.UnixMicro())
	}
	if _, err := s.store.Append(s.Context(), &sluice.Group{Lease: l, Number: 1, Parts: []sluice.Part{part}}); err != nil {
		s.Fatal(err)
	}
}

// outages puts events into the queue of events.
func (s *site) outages(payloads ...string) {
	s.Helper()
	s.enqueue(sluice.QueueEvents, sluice.EventsPolicy(), payloads...)
}

// reports makes a router one that only reports.
func reports(p sluice.Presence) func(*sluice.Config) {
	p.Settings.Events = true
	return func(c *sluice.Config) { c.Source, c.Presence = nil, &p }
}

func receiver(name string, h sluice.Handler) sluice.Receiver {
	return sluice.Receiver{Name: name, Policy: sluice.Policy{Timeout: time.Second}, Handler: h}
}

func TestReports_EveryReceiverGetsEachEventOnceThoughAnswersAreLost(t *testing.T) {
	for _, fate := range []sluicetest.Fate{sluicetest.Pass, sluicetest.Refuse, sluicetest.Lose, sluicetest.Hang} {
		for _, routers := range []int{1, 2} {
			t.Run(fmt.Sprint("fate ", fate, " routers ", routers), func(t *testing.T) {
				inVirtualTime(t, func(t *testing.T) {
					s := newSite(t, sluice.NewMux(), sluicetest.BrokerConfig{})
					s.outages("a", "b", "c")
					s.queue.Fail("Complete", fate, errDown, 5)
					chat, hook := newReader(nil), newReader(nil)
					for range routers {
						s.start(reports(sluice.Presence{Receivers: []sluice.Receiver{receiver("chat", chat), receiver("hook", hook)}}))
					}
					s.advance(time.Minute)
					chat.wants(t, "chat", "a", "b", "c")
					hook.wants(t, "hook", "a", "b", "c")
					for _, queue := range []string{sluice.QueueEvents, "$notify/chat", "$notify/hook"} {
						s.stored(queue, 3, 3)
					}
				})
			})
		}
	}
}

// A router is killed between the handler and Complete, or between Complete and
// its answer: another one goes on.
func TestReports_RouterDiesAroundComplete_EveryReceiverGetsEachEventOnce(t *testing.T) {
	for _, fate := range []sluicetest.Fate{sluicetest.Refuse, sluicetest.Lose} {
		t.Run(fmt.Sprint("fate ", fate), func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T) {
				s := newSite(t, sluice.NewMux(), sluicetest.BrokerConfig{})
				s.outages("a", "b")
				chat, hook := newReader(nil), newReader(nil)
				p := sluice.Presence{Receivers: []sluice.Receiver{receiver("chat", chat), receiver("hook", hook)}}
				dying := sluicetest.Faulty(s.store, nil)
				dying.Fail("Complete", fate, errDown, -1)
				_, stop := s.startOn(dying, reports(p), func(c *sluice.Config) { c.ShutdownTimeout = time.Nanosecond })
				s.advance(100 * ms)
				stop()
				if chat.read() != nil || hook.read() != nil {
					t.Fatal("it reported before it died")
				}
				s.start(reports(p))
				s.advance(time.Minute)
				chat.wants(t, "chat", "a", "b")
				hook.wants(t, "hook", "a", "b")
			})
		})
	}
}

// The answer of Complete is lost; nobody waits for a sweep.
func TestReports_LostAnswerDelaysNoReport(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, sluice.NewMux(), sluicetest.BrokerConfig{})
		s.outages("a")
		s.queue.Fail("Complete", sluicetest.Lose, errDown, 1)
		chat := newReader(nil)
		s.start(reports(sluice.Presence{Receivers: []sluice.Receiver{receiver("chat", chat)}}), func(c *sluice.Config) { c.Sweep = time.Hour })
		s.advance(2 * time.Second)
		chat.wants(t, "chat", "a")
	})
}

func TestReports_MessagesAreForwardedAsTheyAre(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, sluice.NewMux(), sluicetest.BrokerConfig{})
		s.outages("a\x00\xff", "")
		var got []sluice.Message
		h := newReader(func(_ context.Context, _ int, b *sluice.Batch) error {
			got = b.Messages
			if b.Route != "$notify/chat" {
				t.Errorf("route %s", b.Route)
			}
			return nil
		})
		s.advance(time.Second)
		s.start(reports(sluice.Presence{Receivers: []sluice.Receiver{receiver("chat", h)}}))
		s.advance(10 * time.Second)
		want := []sluice.Message{{Topic: "the topic", Payload: []byte("a\x00\xff"), Received: s.began}, {Topic: "the topic", Payload: []byte{}, Received: s.began}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
	})
}

func TestReports_FailingReceiverHoldsUpNoOther(t *testing.T) {
	for _, tt := range []struct {
		name string
		act  func(ctx context.Context, n int, b *sluice.Batch) error
	}{
		{"errors", func(context.Context, int, *sluice.Batch) error { return errDown }},
		{"halts", func(context.Context, int, *sluice.Batch) error { return sluice.Halt(errDown) }},
		{"is busy", func(context.Context, int, *sluice.Batch) error { return sluice.RetryAfter(errDown, time.Hour) }},
		{"panics", func(context.Context, int, *sluice.Batch) error { panic("oh") }},
		{"hangs", func(ctx context.Context, _ int, _ *sluice.Batch) error { <-ctx.Done(); return ctx.Err() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T) {
				s := newSite(t, sluice.NewMux(), sluicetest.BrokerConfig{})
				s.outages("a")
				bad, good := newReader(tt.act), newReader(nil)
				_, stop := s.start(reports(sluice.Presence{Receivers: []sluice.Receiver{receiver("bad", bad), receiver("good", good)}}))
				s.advance(1100 * ms)
				good.wants(t, "the other", "a")
				s.outages("b", "c")
				s.advance(time.Minute)
				good.wants(t, "the other", "a", "b", "c")
				if n := len(bad.called()); n == 0 {
					t.Error("the failing one was not tried")
				}
				if st := s.status("$notify/bad"); st.Queued() != 3 {
					t.Errorf("%d events wait for the failing one, want 3", st.Queued())
				}
				s.stored(sluice.QueueEvents, 3, 3)

				stop() // what was not sent is, later, by whatever router
				mended := newReader(nil)
				s.start(reports(sluice.Presence{Receivers: []sluice.Receiver{receiver("bad", mended), receiver("good", good)}}))
				s.advance(2 * time.Hour)
				mended.wants(t, "the failing one", "a", "b", "c")
				good.wants(t, "the other", "a", "b", "c")
			})
		})
	}
}

func TestReports_RetryAfterIsHonoured(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want []time.Duration // between calls
	}{
		{"once", sluice.RetryAfter(errDown, 37*time.Second), []time.Duration{37 * time.Second}},
		{"wrapped", fmt.Errorf("busy: %w", sluice.RetryAfter(errDown, 37*time.Second)), []time.Duration{37 * time.Second}},
		{"it grows not", sluice.RetryAfter(errDown, 10*time.Second), []time.Duration{10 * time.Second, 10 * time.Second, 10 * time.Second}},
		{"shorter than the least delay", sluice.RetryAfter(errDown, 5*ms), []time.Duration{5 * ms, 5 * ms}},
		{"none at all is a millisecond", sluice.RetryAfter(errDown, 0), []time.Duration{ms, ms}},
		{"a time that has passed", sluice.RetryAfter(errDown, -time.Hour), []time.Duration{ms}},
		{"of no error", sluice.RetryAfter(nil, time.Hour), nil},
		{"a halt probes all the same", sluice.Halt(sluice.RetryAfter(errDown, time.Hour)), []time.Duration{5 * time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T) {
				s := newSite(t, sluice.NewMux(), sluicetest.BrokerConfig{})
				s.outages("a")
				chat := newReader(func(_ context.Context, n int, _ *sluice.Batch) error {
					if n <= len(tt.want) || tt.want == nil {
						return tt.err
					}
					return nil
				})
				s.start(reports(sluice.Presence{Receivers: []sluice.Receiver{receiver("chat", chat)}}))
				s.advance(2 * time.Minute)
				chat.wants(t, "chat", "a")
				var got []time.Duration
				for i, at := range chat.called()[1:] {
					got = append(got, at-chat.called()[i])
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("between calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestReports_NoteIsKeptForTheNextAttemptAndTheNextRouter(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, sluice.NewMux(), sluicetest.BrokerConfig{})
		s.outages("a")
		var notes []string
		down := true
		chat := newReader(func(ctx context.Context, n int, b *sluice.Batch) error {
			notes = append(notes, string(b.Note))
			if err := b.Keep(ctx, fmt.Appendf(b.Note, "%d,", n)); err != nil {
				t.Error(err)
			}
			if string(b.Note) != notes[n-1]+fmt.Sprint(n, ",") {
				t.Errorf("note %q after Keep", b.Note)
			}
			if down {
				return errDown
			}
			return nil
		})
		p := sluice.Presence{Receivers: []sluice.Receiver{receiver("chat", chat), receiver("hook", newReader(func(_ context.Context, _ int, b *sluice.Batch) error {
			if b.Note != nil {
				t.Errorf("hook has the note %q", b.Note)
			}
			return nil
		}))}}
		_, stop := s.start(reports(p))
		s.advance(1150 * ms)
		stop()
		if n := len(notes); n != 2 {
			t.Fatalf("%d calls, want 2", n)
		}
		down = false
		s.start(reports(p))
		s.advance(10 * time.Second)
		s.outages("b") // the next batch knows what the last one kept
		s.advance(10 * time.Second)
		if diff := cmp.Diff([]string{"", "1,", "1,2,", "1,2,3,"}, notes); diff != "" {
			t.Errorf("notes (-want +got):\n%s", diff)
		}
		chat.wants(t, "chat", "a", "b")
	})
}

func TestReports_KeepThatFailsSaysSo(t *testing.T) {
	for _, tt := range []struct {
		name string
		fate sluicetest.Fate
		err  error
		kept string // for the next attempt
	}{
		{"refused", sluicetest.Refuse, errDown, ""},
		{"answer lost", sluicetest.Lose, errDown, "note"},
		{"hanging: the call has its own limit", sluicetest.Hang, context.DeadlineExceeded, ""},
		{"claim lost", sluicetest.Refuse, sluice.ErrLost, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T) {
				s := newSite(t, sluice.NewMux(), sluicetest.BrokerConfig{})
				s.outages("a")
				s.queue.Fail("Note", tt.fate, tt.err, 1)
				var kept []string
				chat := newReader(func(ctx context.Context, n int, b *sluice.Batch) error {
					kept = append(kept, string(b.Note))
					err := b.Keep(ctx, []byte("note"))
					if n == 1 && !errors.Is(err, tt.err) || n > 1 && err != nil {
						t.Errorf("call %d: Keep returned %v", n, err)
					}
					if n == 1 && b.Note != nil {
						t.Errorf("the batch has the note %q, which may not be stored", b.Note)
					}
					return err
				})
				s.start(reports(sluice.Presence{Receivers: []sluice.Receiver{receiver("chat", chat)}}))
				s.advance(time.Minute)
				if diff := cmp.Diff([]string{"", tt.kept}, kept); diff != "" {
					t.Errorf("notes (-want +got):\n%s", diff)
				}
				chat.wants(t, "chat", "a")
			})
		})
	}
}

// reported is a Receiver whose Reported tells of every message.
func reported(name string, h sluice.Handler) sluice.Receiver {
	r := receiver(name, h)
	r.Reported = func(b *sluice.Batch) (out []sluice.Message) {
		for _, m := range b.Messages {
			out = append(out, sluice.Message{Topic: sluice.QueueDevices, Payload: []byte(name + " sent " + string(m.Payload)), Received: time.Now()})
		}
		return out
	}
	return r
}

func TestReports_WhatWasReportedReachesTheDatabaseOnce(t *testing.T) {
	for _, fate := range []sluicetest.Fate{sluicetest.Pass, sluicetest.Refuse, sluicetest.Lose} {
		t.Run(fmt.Sprint("fate ", fate), func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T) {
				s := newSite(t, sluice.NewMux(), sluicetest.BrokerConfig{})
				s.outages("a", "b")
				devices := newReader(nil)
				chat := newReader(func(_ context.Context, n int, _ *sluice.Batch) error {
					if n < 3 {
						return errDown // nothing is told of what was not sent
					}
					return nil
				})
				s.start(reports(sluice.Presence{Devices: devices, Receivers: []sluice.Receiver{reported("chat", chat), receiver("hook", newReader(nil))}}),
					func(c *sluice.Config) { c.Sweep = time.Hour })
				s.advance(1050 * ms)
				devices.wants(t, "the database")
				s.queue.Fail("Complete", fate, errDown, 1)
				s.advance(450*ms + sluice.DevicesPolicy().Timeout) // and not the sweep
				devices.wants(t, "the database", "chat sent a", "chat sent b")
				s.advance(time.Hour)
				devices.wants(t, "the database", "chat sent a", "chat sent b")
				s.stored(sluice.QueueDevices, 2, 2)
			})
		})
	}
}

func TestReports_NobodyWorksOnTheDatabase_WhatWasReportedWaits(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, sluice.NewMux(), sluicetest.BrokerConfig{})
		s.outages("a")
		s.start(reports(sluice.Presence{Receivers: []sluice.Receiver{reported("chat", newReader(nil))}}))
		s.advance(time.Minute)
		s.stored(sluice.QueueDevices, 1, 0)
	})
}

func TestReports_GivenUp_IsNotReported(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, sluice.NewMux(), sluicetest.BrokerConfig{})
		s.outages("a")
		chat := newReader(func(context.Context, int, *sluice.Batch) error { return sluice.Permanent(errDown) })
		s.start(reports(sluice.Presence{Receivers: []sluice.Receiver{reported("chat", chat)}}))
		s.advance(time.Minute)
		s.stored(sluice.QueueDevices, 0, 0)
		if a := s.status("$notify/chat").Account; a.Dead != 1 {
			t.Errorf("account %+v, want it dead", a)
		}
	})
}

func TestReports_DeadEventsAreNotForwarded(t *testing.T) {
	bad := func(indexes ...int) error {
		e := &sluice.BatchError{}
		for _, i := range indexes {
			e.Bad = append(e.Bad, sluice.BadMessage{Index: i, Reason: sluice.ReasonDecode})
		}
		return e
	}
	for _, tt := range []struct {
		name string
		err  error
		want []string
	}{
		{"none", nil, []string{"a", "b", "c", "d"}},
		{"some", bad(3, 1), []string{"a", "c"}},
		{"all", bad(0, 1, 2, 3), nil},
		{"the batch", sluice.Permanent(errDown), nil},
		{"duplicates are no dead ones", &sluice.BatchError{Duplicates: 2}, []string{"a", "b", "c", "d"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T) {
				s := newSite(t, sluice.NewMux(), sluicetest.BrokerConfig{})
				s.outages("a", "b", "c", "d")
				chat, hook := newReader(nil), newReader(nil)
				outages := sluice.HandlerFunc(func(_ context.Context, b *sluice.Batch) error {
					if b.Attempt == 1 {
						return errDown // what is to be tried again is not forwarded either
					}
					return tt.err
				})
				s.start(reports(sluice.Presence{Outages: outages, Receivers: []sluice.Receiver{receiver("chat", chat), receiver("hook", hook)}}))
				s.advance(time.Minute)
				chat.wants(t, "chat", tt.want...)
				hook.wants(t, "hook", tt.want...)
				if n := len(s.letters()); n+len(tt.want) != 4 {
					t.Errorf("%d dead letters and %d forwarded of 4", n, len(tt.want))
				}
				s.stored("$notify/chat", int64(len(tt.want)), int64(len(tt.want)))
			})
		})
	}
}

func TestReports_LanesThatPresenceNeeds(t *testing.T) {
	h := newScript(nil)
	both := []sluice.Receiver{receiver("chat", h), receiver("hook", h)}
	for _, tt := range []struct {
		name     string
		presence sluice.Presence
		events   bool
		want     []string
	}{
		{"nothing wanted", sluice.Presence{Receivers: both}, false, []string{sluice.AccountPresence}},
		{"the database only", sluice.Presence{Devices: h, Receivers: both, Outages: h}, false, []string{sluice.QueueDevices, sluice.AccountPresence}},
		{"events for nobody", sluice.Presence{}, true, []string{sluice.QueueEvents, sluice.AccountPresence}},
		{"everything", sluice.Presence{Devices: h, Receivers: both}, true, []string{sluice.QueueDevices, "$notify/chat", "$notify/hook", sluice.QueueEvents, sluice.AccountPresence}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.presence.Settings.Events = tt.events
			r := sluice.NewRouter(sluicetest.NewQueue(), oneRoute(sluice.Policy{}, h), sluice.Config{Presence: &tt.presence})
			if diff := cmp.Diff(append([]string{"t"}, tt.want...), r.Queues()); diff != "" {
				t.Errorf("queues (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReports_EventsWithoutReceivers_AreDone(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		s := newSite(t, sluice.NewMux(), sluicetest.BrokerConfig{})
		s.outages("a", "b")
		s.start(reports(sluice.Presence{}))
		s.advance(time.Minute)
		s.stored(sluice.QueueEvents, 2, 2)
		for _, queue := range s.store.Queues() {
			if strings.HasPrefix(queue, sluice.QueueNotify) {
				t.Errorf("there is a queue %s", queue)
			}
		}
	})
}
