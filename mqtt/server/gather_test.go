package server

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestGather_WaitsWhileMoreComes(t *testing.T) {
	t.Parallel()
	const gather = 32 * time.Millisecond
	for _, c := range []struct {
		name    string
		waiting int           // messages at first
		every   time.Duration // between two that come then; 0: none comes
		ago     time.Duration // since the last Receive
		want    time.Duration
	}{
		{"nothing waits", 0, time.Millisecond, 0, 0},
		{"no more comes", 1, 0, 0, gather / firstLook},
		{"more comes", 1, time.Millisecond, 0, gather},
		{"more comes, later", 1, time.Millisecond, gather / 2, gather / 2},
		{"more comes for a while", 1, 5 * time.Millisecond, 0, gather / firstLook},
		{"many wait", enough, time.Millisecond, 0, 0},
		{"it became many", enough - 10, time.Millisecond, 0, 14 * time.Millisecond},
		{"long after the last", 1, time.Millisecond, gather, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &session{inbox: newInbox(1 << 20), done: make(chan struct{}), config: &Config{Gather: gather}}
				s.last = time.Now().Add(-c.ago)
				for range c.waiting {
					s.inbox.mark("m", nil)
				}
				if c.every > 0 {
					defer repeat(c.every, func() { s.inbox.mark("m", nil) })()
				}
				began := time.Now()
				s.gather(t.Context())
				if got := time.Since(began); got != c.want {
					t.Errorf("it took %v, want %v", got, c.want)
				}
			})
		})
	}
}

// repeat calls do until stop is called.
func repeat(every time.Duration, do func()) (stop func()) {
	tick, done := time.NewTicker(every), make(chan struct{})
	go func() {
		for {
			select {
			case <-tick.C:
				do()
			case <-done:
				return
			}
		}
	}()
	return func() { tick.Stop(); close(done) }
}
