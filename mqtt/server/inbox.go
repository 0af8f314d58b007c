package server

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// inbox collects what all connections receive until the engine takes it. It is full
// when its messages take limit bytes; who has been let in may add what it read all
// the same. Those who find it full wait in line, and are let in one after another, so
// that ten thousand do not wake for the room of one. Safe for concurrent use.
type inbox struct {
	limit int
	full  atomic.Bool

	mu      sync.Mutex // guards what follows
	pending *slab
	spare   *slab         // what the last take returned
	line    []*connection // those that wait, in order
	wake    chan struct{} // room for one: something is pending
}

func newInbox(limit int) *inbox {
	return &inbox{limit: limit, pending: &slab{}, spare: &slab{}, wake: make(chan struct{}, 1)}
}

// push takes in what one read of a connection brought; false: the connection was cut.
func (in *inbox) push(c *connection, arrivals []arrival, received int64) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if c.cut {
		return false
	}
	for i := range arrivals {
		if a := &arrivals[i]; a.toEngine {
			in.pending.add(c, a, received)
		} else {
			in.pending.answer(c, a)
		}
	}
	in.changed()
	return true
}

// mark takes in a marker, behind everything.
func (in *inbox) mark(topic string, payload []byte) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.pending.mark(topic, payload, time.Now().UnixMicro())
	in.changed()
}

// changed wakes who takes; the caller holds the mutex.
func (in *inbox) changed() {
	in.full.Store(in.pending.size >= in.limit)
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// cutOff keeps out what the connection would still add.
func (in *inbox) cutOff(c *connection) {
	in.mu.Lock()
	defer in.mu.Unlock()
	c.cut = true
}

// take swaps the slabs: what the last call returned is used anew.
func (in *inbox) take() *slab {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.pending.receipts) == 0 && len(in.pending.deliveries) == 0 {
		return nil
	}
	in.spare.reset()
	in.pending, in.spare = in.spare, in.pending
	in.full.Store(false)
	in.next()
	return in.spare
}

// pendingCount is how many messages wait.
func (in *inbox) pendingCount() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.pending.deliveries)
}

// waiting tells whether anybody stands in line.
func (in *inbox) waiting() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.line) > 0
}

// queue puts a connection in line; false: there is room.
func (in *inbox) queue(c *connection) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.pending.size < in.limit {
		return false
	}
	in.line = append(in.line, c)
	c.queued = true
	return true
}

// next lets the next one in, if there is room; the caller holds the mutex.
func (in *inbox) next() {
	if len(in.line) == 0 || in.pending.size >= in.limit {
		return
	}
	c := in.line[0]
	in.line[0] = nil
	in.line = in.line[1:]
	c.queued = false
	c.signal()
}

// called tells whether a connection that was in line is in it no more.
func (in *inbox) called(c *connection) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return !c.queued
}

// pass lets the next one in behind one that was let in.
func (in *inbox) pass() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.next()
}

// abandon takes a connection that has ended out of the line. Had it been let in
// already, the next one is.
func (in *inbox) abandon(c *connection) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !c.queued {
		in.next()
		return
	}
	c.queued = false
	in.line = slices.DeleteFunc(in.line, func(other *connection) bool { return other == c })
}
