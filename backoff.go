package sluice

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff gives growing, jittered delays: each between half and all of a value
// that doubles from min to max.
type backoff struct {
	min, max time.Duration
	tries    int
}

func (b *backoff) next() time.Duration {
	d := b.at(b.tries)
	b.tries++
	return d
}

func (b *backoff) reset() { b.tries = 0 }

// at returns the delay after the given number of earlier tries.
func (b *backoff) at(tries int) time.Duration {
	d := min(b.min, b.max)
	for ; tries > 0 && d < b.max; tries-- {
		d = min(2*d, b.max)
	}
	return d/2 + rand.N(d/2+1)
}

// wait returns after d or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
