package sluice_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sluice"
	"sluice/sluicetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDown = errors.New("down")

// site is one facility in virtual time: a broker, a store that can fail, and
// the observer and log of its routers.
type site struct {
	*testing.T
	store  *sluicetest.Queue
	queue  *sluicetest.FaultyQueue
	broker *sluicetest.Broker
	mux    *sluice.Mux
	seen   *observer
	log    *logbook
	began  time.Time
}

// inVirtualTime runs test in a bubble, in parallel with other tests. When it
// ends every goroutine of the bubble must be gone: synctest sees to that.
func inVirtualTime(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

// newSite has a broker that knows the mux's filters.
func newSite(t *testing.T, mux *sluice.Mux, config sluicetest.BrokerConfig) *site {
	store := sluicetest.NewQueue()
	config.Filters = mux.Filters()
	s := &site{
		T: t, store: store, queue: sluicetest.Faulty(store, nil), mux: mux,
		broker: sluicetest.NewBroker(config), seen: newObserver(), log: &logbook{}, began: time.Now(),
	}
	t.Cleanup(func() {
		if err := s.broker.Err(); err != nil {
			t.Errorf("the broker complains: %v", err)
		}
		s.balanced()
	})
	return s
}

// config is the configuration of the site's routers, each option applied.
func (s *site) config(options ...func(*sluice.Config)) sluice.Config {
	c := sluice.Config{Source: s.broker, Observer: s.seen, Logger: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelInfo}))}
	for _, o := range options {
		o(&c)
	}
	return c
}

// start runs a router on the site's queue until stop is called, which waits for
// it, or until the test ends.
func (s *site) start(options ...func(*sluice.Config)) (r *sluice.Router, stop func()) {
	return s.startOn(s.queue, options...)
}

func (s *site) startOn(q sluice.Queue, options ...func(*sluice.Config)) (r *sluice.Router, stop func()) {
	r = sluice.NewRouter(q, s.mux, s.config(options...))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			s.Errorf("Run returned %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	s.Cleanup(stop)
	return r, stop
}

// publish publishes n numbered messages on a topic, all at once.
func (s *site) publish(topic string, n int) {
	payloads := make([][]byte, n)
	for i := range payloads {
		payloads[i] = fmt.Appendf(nil, "%s#%d", topic, i)
	}
	s.broker.Publish(topic, payloads...)
}

// advance lets virtual time pass and everything settle.
func (s *site) advance(d time.Duration) {
	s.Helper()
	time.Sleep(d)
	synctest.Wait()
}

// elapsed is the virtual time since the site was made.
func (s *site) elapsed() time.Duration { return time.Since(s.began) }

// status reports a queue.
func (s *site) status(queue string) sluice.QueueStatus {
	s.Helper()
	st, err := s.store.Status(context.Background(), queue)
	if err != nil {
		s.Fatal(err)
	}
	return st
}

// balanced checks every account.
func (s *site) balanced() {
	s.Helper()
	for _, name := range s.store.Queues() {
		if st := s.status(name); st.Balance() != 0 {
			s.Errorf("account of %s is out by %d: %+v", name, st.Balance(), st)
		}
	}
}

// stored checks how many messages of a queue are received and how many stored.
func (s *site) stored(queue string, received, stored int64) {
	s.Helper()
	if a := s.status(queue).Account; a.Received != received || a.Stored != stored {
		s.Errorf("%s at %v: received %d and stored %d, want %d and %d", queue, s.elapsed(), a.Received, a.Stored, received, stored)
	}
}

// acked checks how many messages were acknowledged.
func (s *site) acked(want int) {
	s.Helper()
	if got := len(s.broker.Acked()); got != want {
		s.Errorf("at %v: %d messages acknowledged, want %d", s.elapsed(), got, want)
	}
}

// events checks how often an event was seen.
func (s *site) events(e sluice.Event, want int) {
	s.Helper()
	if got := s.seen.count(e); got != want {
		s.Errorf("at %v: event %s seen %d times, want %d", s.elapsed(), e, got, want)
	}
}

// letters decodes the dead letters that wait in the store.
func (s *site) letters() (out []sluice.DeadLetter) {
	s.Helper()
	for _, b := range s.store.Batches(sluice.QueueDead) {
		for _, m := range b.Messages {
			out = append(out, decodeLetter(s.T, m))
		}
	}
	return out
}

func decodeLetter(t testing.TB, m sluice.Message) (d sluice.DeadLetter) {
	t.Helper()
	if err := json.Unmarshal(m.Payload, &d); err != nil {
		t.Fatalf("dead letter %q: %v", m.Payload, err)
	}
	return d
}

// observer counts what a router tells.
type observer struct {
	mu       sync.Mutex
	events   map[sluice.Event]int
	groups   int
	messages int
	retried  int
	outcomes []sluice.Outcome
}

func newObserver() *observer { return &observer{events: map[sluice.Event]int{}} }

func (o *observer) Appended(g *sluice.Group, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.groups++
	for _, p := range g.Parts {
		o.messages += p.Frame.Count
	}
}

func (o *observer) Handled(_ string, _ int, out sluice.Outcome, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.outcomes = append(o.outcomes, out)
}

func (o *observer) Retried(string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.retried++
}

func (o *observer) Event(e sluice.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events[e]++
}

func (o *observer) count(e sluice.Event) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.events[e]
}

// logbook keeps log lines.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// count returns how many lines contain text.
func (l *logbook) count(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// script is a handler that notes its calls and does what act says.
type script struct {
	began time.Time
	// act gets the number of the call, from 1. Nil: every batch is done.
	act func(ctx context.Context, n int, b *sluice.Batch) error

	mu      sync.Mutex
	calls   []call
	running int
	most    int // calls at the same time
}

// call is one call of a handler.
type call struct {
	at      time.Duration // since the script was made
	batch   sluice.BatchID
	attempt int
	first   string // payload
	n       int    // messages
}

func newScript(act func(ctx context.Context, n int, b *sluice.Batch) error) *script {
	return &script{began: time.Now(), act: act}
}

// results is a script that returns these errors one after the other, then nil.
func results(errs ...error) *script {
	return newScript(func(_ context.Context, n int, _ *sluice.Batch) error {
		if n <= len(errs) {
			return errs[n-1]
		}
		return nil
	})
}

func (h *script) Handle(ctx context.Context, b *sluice.Batch) error {
	h.mu.Lock()
	h.calls = append(h.calls, call{time.Since(h.began), b.ID, b.Attempt, string(b.Messages[0].Payload), len(b.Messages)})
	n := len(h.calls)
	h.running++
	h.most = max(h.most, h.running)
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.running--
	}()
	if h.act == nil {
		return nil
	}
	return h.act(ctx, n, b)
}

// log returns the calls so far.
func (h *script) log() []call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]call(nil), h.calls...)
}

func (h *script) peak() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.most
}

// oneRoute is a mux with the route "t".
func oneRoute(p sluice.Policy, h sluice.Handler) *sluice.Mux {
	m := sluice.NewMux()
	m.Handle("t", p, h)
	return m
}
