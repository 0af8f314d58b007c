package server

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestKnocks_Await_WaitsForThoseThatHaveBegun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var k knocks
		k.await() // none
		done := k.begin()
		over := make(chan struct{})
		go func() {
			defer close(over)
			k.await()
		}()
		synctest.Wait()
		later := k.begin()
		defer later()
		select {
		case <-over:
			t.Error("it did not wait")
		default:
		}
		done()
		<-over // not for the one that began later: the bubble would be stuck
	})
}

func TestCalm_WaitsUntilNobodyStandsInLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		leaves, end time.Duration // when the line and the session end; 0: never
		want        time.Duration
	}{
		{"no line", 1, 0, settle},
		{"a line", 250 * time.Millisecond, 0, 300 * time.Millisecond},
		{"a line for ever", 0, 0, settleMost},
		{"the session ends", 0, 250 * time.Millisecond, 250 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &session{inbox: newInbox(1), done: make(chan struct{})}
				s.inbox.pending.size = 1
				waits := &connection{session: s, room: make(chan struct{}, 1)}
				if !s.inbox.queue(waits) {
					t.Fatal("there is room")
				}
				if c.leaves > 0 {
					time.AfterFunc(c.leaves, func() { s.inbox.abandon(waits) })
				}
				if c.end > 0 {
					time.AfterFunc(c.end, func() { close(s.done) })
				}
				began := time.Now()
				s.calm()
				if got := time.Since(began); got != c.want {
					t.Errorf("it took %v, want %v", got, c.want)
				}
			})
		})
	}
}
