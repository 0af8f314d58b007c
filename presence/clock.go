package presence

import (
	"sync"
	"time"

	"sluice"
)

// maxJump is how far the store's clock may stray from ours between two readings
// before that counts as a jump.
const maxJump = 5 * time.Second

// insist is how often in a row a store that is ahead is corrected. Whoever puts it
// back each time is another keeper, and right: this process was suspended, and its
// monotonic clock with it. A monotonic clock only ever falls behind.
const insist = 3

// clock estimates the presence time from readings of the store's clock and the
// monotonic clock of this process. Safe for concurrent use.
type clock struct {
	born time.Time // where the monotonic clock counts from

	mu     sync.Mutex
	known  bool
	at     time.Duration // since born, of the last reading
	now    int64         // presence time then
	offset int64
	// corrected counts how often in a row the store was, without a reading that fits.
	corrected int
}

func newClock() *clock { return &clock{born: time.Now()} }

// Now is the presence time, 0 before the first reading.
func (c *clock) Now() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.estimate(time.Since(c.born))
}

// estimate is the presence time at a moment; the caller holds the mutex.
func (c *clock) estimate(at time.Duration) int64 {
	if !c.known {
		return 0
	}
	return c.now + (at - c.at).Microseconds()
}

// Offset is store time less presence time.
func (c *clock) Offset() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset
}

// observe takes a reading in that was asked for at sent and came at received. It
// returns by how much the store's clock has jumped, 0 for not at all; then the
// estimate goes on as if nothing had happened, with the offset that corrects it.
func (c *clock) observe(r sluice.StoreClock, sent, received time.Time) (jump int64) {
	from, to := sent.Sub(c.born), received.Sub(c.born)
	c.mu.Lock()
	defer c.mu.Unlock()
	middle := from + (to-from)/2
	if c.known {
		earliest, latest := c.estimate(from)-maxJump.Microseconds(), c.estimate(to)+maxJump.Microseconds()
		switch ahead := r.Now > latest; {
		case r.Now < earliest || ahead && c.corrected < insist:
			jump = r.Now - c.estimate(middle)
			c.offset = r.Offset + jump
			return jump
		case to-from > time.Second: // says too little about when it was taken
			return 0
		}
	} else if to-from > 2*maxJump { // the next one would look like a jump
		return 0
	}
	c.known, c.at, c.now, c.offset, c.corrected = true, middle, r.Now, r.Offset, 0
	return 0
}

// correction notes that the store was corrected.
func (c *clock) correction() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.corrected++
}
