package api

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// changes looks for changes of devices, outages and routes, for all streams of
// events together. It runs, in one goroutine, while there is a subscription. A
// database that is away delays what has changed and loses nothing. Safe for
// concurrent use.
type changes struct {
	every time.Duration
	start func() *search
	log   *slog.Logger

	mu     sync.Mutex // guards the rest
	subs   map[*subscription]struct{}
	found  bool // where each device stands: what changes from now on is told
	cancel func()
	done   chan struct{}
}

// change is one event.
type change struct {
	kind     string
	facility string
	device   string // empty for a route
	data     []byte // JSON
}

// subscription is what one stream is told.
type subscription struct {
	wants func(*change) bool
	queue chan []*change // of one look each
	// ready is closed when everything that changes from then on will be in queue.
	ready chan struct{}
	// overflow is called when queue is full, once; nothing is told afterwards.
	overflow func()
}

// maxBehind is how many looks that found something may wait for a reader: about
// half a minute. What they found is in memory once for all readers.
const maxBehind = 32

func newChanges(s *Server) *changes {
	start := func() *search { return &search{store: s.c.Store, timeout: s.c.PageTimeout} }
	return &changes{every: s.c.EventPoll, start: start, log: s.c.Logger, subs: map[*subscription]struct{}{}}
}

// subscribe tells of what wants chooses, until leave is called, once. wants and
// overflow must return at once.
func (c *changes) subscribe(wants func(*change) bool, overflow func()) *subscription {
	sub := &subscription{wants: wants, overflow: overflow, queue: make(chan []*change, maxBehind), ready: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subs[sub] = struct{}{}
	switch {
	case c.done == nil:
		c.begin()
	case c.found:
		close(sub.ready)
	}
	return sub
}

// begin starts the goroutine.
func (c *changes) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	c.found, c.cancel, c.done = false, cancel, done
	go func() {
		defer close(done)
		c.run(ctx, c.start())
	}()
}

// leave ends a subscription. With the last one it ends the goroutine and waits for
// it.
func (c *changes) leave(sub *subscription) {
	c.mu.Lock()
	delete(c.subs, sub)
	done := c.done
	last := len(c.subs) == 0
	if last && done != nil {
		c.cancel()
		c.done = nil // the next subscription begins anew
	}
	c.mu.Unlock()
	if last && done != nil {
		<-done
	}
}

// run looks until ctx ends, for at most a tenth of the time.
func (c *changes) run(ctx context.Context, look *search) {
	away := false
	for {
		began := time.Now()
		found, err := look.next(ctx)
		if err == nil {
			c.tell(ctx, found)
		} else if !away && ctx.Err() == nil {
			c.log.Warn("changes not read; will be tried again", "err", err)
		}
		away = err != nil
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(c.every, 9*time.Since(began))):
		}
	}
}

// tell gives all subscriptions what they want.
func (c *changes) tell(ctx context.Context, found []*change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() != nil { // another goroutine has taken over
		return
	}
	first := !c.found
	c.found = true
	for sub := range c.subs {
		if first {
			close(sub.ready)
		}
		if !sub.put(found) {
			delete(c.subs, sub)
			sub.overflow()
		}
	}
}

// put reports whether there was room.
func (s *subscription) put(found []*change) bool {
	var wanted []*change
	for _, ch := range found {
		if s.wants(ch) {
			wanted = append(wanted, ch)
		}
	}
	if len(wanted) == 0 {
		return true
	}
	select {
	case s.queue <- wanted:
		return true
	default:
		return false
	}
}
