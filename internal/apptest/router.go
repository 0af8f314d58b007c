package apptest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"sluice"
	"sluice/app"
	"sluice/internal/testenv"
)

// within is how long a test waits for what a router does by itself: long enough
// for a busy machine, a probe of a halted route included.
const within = 30 * time.Second

// Router is a batch-router that runs in this process.
type Router struct {
	*app.AdminClient

	metrics string
	cancel  context.CancelFunc
	done    chan struct{}
	err     error // of Run, once done is closed
}

// Start runs a router on the site's configuration. It is stopped when the test
// ends, or before by Stop. Its log goes to the test's.
func (s *Site) Start(t testing.TB, sinks app.Sinks) *Router {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	service := app.NewBatchRouter(s.Config(t, sinks), sinks, log)
	ctx, cancel := context.WithCancel(context.Background())
	r := &Router{AdminClient: app.NewAdminClient(s.Socket()), metrics: s.Metrics, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = service.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-r.done })
	return r
}

// Stop ends the router as a signal would and returns what Run returned.
func (r *Router) Stop(t testing.TB) error {
	t.Helper()
	r.cancel()
	return r.Wait(t)
}

// Wait returns what Run returned, when it has.
func (r *Router) Wait(t testing.TB) error {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(within):
		t.Fatal("the router does not end")
	}
	return r.err
}

// Await waits until what the admin socket tells passes check.
func (r *Router) Await(t testing.TB, check func(app.Status) error) {
	t.Helper()
	testenv.Eventually(t, within, func() error {
		s, err := r.Status(t.Context())
		if err != nil {
			return err
		}
		return check(s)
	})
}

// AwaitLeading waits until the router reads the broker.
func (r *Router) AwaitLeading(t testing.TB) {
	t.Helper()
	r.Await(t, func(s app.Status) error {
		if !s.Leading {
			return fmt.Errorf("does not read the broker: %v", s.Checks)
		}
		return nil
	})
}

// AwaitAccount waits until a queue passes check.
func (r *Router) AwaitAccount(t testing.TB, queue string, check func(sluice.QueueStatus) bool) {
	t.Helper()
	r.Await(t, func(s app.Status) error {
		for _, q := range s.Queues {
			if q.Queue == queue && check(q) {
				return nil
			}
		}
		return fmt.Errorf("%s: %+v", queue, s.Queues)
	})
}

// AwaitStored waits until n messages of a queue are stored and none waits.
func (r *Router) AwaitStored(t testing.TB, queue string, n int64) {
	t.Helper()
	r.AwaitAccount(t, queue, func(q sluice.QueueStatus) bool { return q.Account.Stored == n && q.Queued() == 0 })
}

// Get reads one of the router's pages.
func (r *Router) Get(t testing.TB, path string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.metrics+path, nil)
	must(t, err)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(text)
}
