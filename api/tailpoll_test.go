package api

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// counters are what a poller reads. Virtual time orders what a test and the poller
// do, but the race detector does not know that.
type counters struct {
	mu    sync.Mutex // guards the rest
	last  map[int32]int64
	err   error
	reads int
}

func (c *counters) read(context.Context) (map[int32]int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	if c.err != nil {
		return nil, c.err
	}
	return maps.Clone(c.last), nil
}

// move sets a counter.
func (c *counters) move(id int32, to int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last[id] = to
}

// fail sets what reading fails with; nil for nothing.
func (c *counters) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// counted returns how many reads there were since the last call.
func (c *counters) counted() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, c.reads = c.reads, 0
	return n
}

// pass lets virtual time go by.
func pass(d time.Duration) { <-time.After(d) }

// wantNews checks what a watch has been told by now; nil for nothing.
func wantNews(t *testing.T, what string, w *watch, want map[int32]int64) {
	t.Helper()
	synctest.Wait()
	var got news
	select {
	case got = <-w.news:
	default:
	}
	if got.err != nil || !maps.Equal(got.last, want) {
		t.Errorf("%s: got %v, %v, want %v", what, got.last, got.err, want)
	}
}

func TestPoller_TellsTheFirstAndWhatMoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &counters{last: map[int32]int64{1: 5, 2: 0, 3: 7}}
		p := newPoller(time.Second, c.read)
		w := p.watch([]int32{1, 3})
		other := p.watch([]int32{2})
		wantNews(t, "first", w, map[int32]int64{1: 5, 2: 0, 3: 7})
		wantNews(t, "first of another", other, map[int32]int64{1: 5, 2: 0, 3: 7})
		for _, tt := range []struct {
			move      int32
			to        int64
			one, both bool
		}{{2, 1, false, true}, {3, 8, true, false}, {1, 4, true, false}, {4, 1, false, false}} {
			c.move(tt.move, tt.to)
			pass(time.Second)
			var want, others map[int32]int64
			if tt.one {
				want = c.last
			}
			if tt.both {
				others = c.last
			}
			wantNews(t, "moved", w, want)
			wantNews(t, "moved, another", other, others)
		}
		late := p.watch([]int32{9})
		pass(time.Second)
		wantNews(t, "first of a late one", late, c.last)
		for _, w := range []*watch{w, other, late} {
			p.leave(w)
		}
	})
}

// A slow tail finds the latest.
func TestPoller_KeepsTheLatestOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &counters{last: map[int32]int64{1: 0}}
		p := newPoller(time.Second, c.read)
		w := p.watch([]int32{1})
		defer p.leave(w)
		for i := range int64(10) {
			synctest.Wait()
			c.move(1, i+1)
			pass(time.Second)
		}
		wantNews(t, "latest", w, map[int32]int64{1: 10})
		wantNews(t, "nothing else", w, nil)
	})
}

func TestPoller_RunsOnlyWhileWatched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &counters{last: map[int32]int64{1: 0}}
		p := newPoller(time.Second, c.read)
		for range 3 {
			one, two := p.watch([]int32{1}), p.watch([]int32{1})
			pass(10*time.Second - time.Millisecond)
			p.leave(one)
			p.leave(two)
			synctest.Wait()
			if n := c.counted(); n != 10 {
				t.Errorf("got %d reads for two watches in 10 s, want 10", n)
			}
			pass(time.Minute)
			if n := c.counted(); n != 0 {
				t.Errorf("got %d reads, want none without a watch", n)
			}
		}
	})
}

func TestPoller_TellsErrorsToAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &counters{last: map[int32]int64{1: 5}}
		p := newPoller(time.Second, c.read)
		w := p.watch([]int32{1})
		defer p.leave(w)
		wantNews(t, "first", w, c.last)
		away := errors.New("away")
		c.fail(away)
		pass(time.Second)
		synctest.Wait()
		if n := <-w.news; !errors.Is(n.err, away) {
			t.Errorf("got %v, want %v", n, away)
		}
		c.fail(nil)
		pass(time.Second)
		wantNews(t, "after the error", w, c.last)
	})
}

// Who comes while the counters are read is not told what was read before: it may
// know better already, and would take it for another database.
func TestPoller_TellsNothingOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun, answer := make(chan struct{}), make(chan map[int32]int64)
		p := newPoller(time.Second, func(context.Context) (map[int32]int64, error) {
			begun <- struct{}{}
			return <-answer, nil
		})
		first := p.watch([]int32{1})
		<-begun
		late := p.watch([]int32{1})
		answer <- map[int32]int64{1: 5}
		wantNews(t, "first", first, map[int32]int64{1: 5})
		wantNews(t, "late", late, nil)
		<-begun
		answer <- map[int32]int64{1: 5}
		wantNews(t, "late, of its own", late, map[int32]int64{1: 5})
		p.leave(first)
		p.leave(late)
	})
}
