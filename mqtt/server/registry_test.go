package server

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/testenv"
)

// Each call has a connection to the store: a thousand clients that leave at once must
// not open a thousand.
func TestCall_ManyAtOnce_FewRun(t *testing.T) {
	t.Parallel()
	_, s := opened(t, Config{CallTimeout: patience})
	var running atomic.Int64
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			err := s.call(func(context.Context) error {
				if n := running.Add(1); n > maxCalls {
					t.Errorf("%d calls run at once, want at most %d", n, maxCalls)
				}
				<-gate
				running.Add(-1)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	testenv.Eventually(t, patience, func() error {
		if n := running.Load(); n < maxCalls {
			return fmt.Errorf("%d calls run, want %d", n, maxCalls)
		}
		return nil
	})
	close(gate)
	wg.Wait()
}

// Who waits for a turn gives up with the session, or when the time of its call is over.
func TestCall_NoTurn_GivesUp(t *testing.T) {
	t.Parallel()
	server, s := opened(t, Config{CallTimeout: 10 * time.Millisecond})
	for range maxCalls {
		server.calls <- struct{}{}
	}
	if err := s.call(func(context.Context) error { t.Error("called"); return nil }); err == nil {
		t.Error("no error")
	}
}
