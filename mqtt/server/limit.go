package server

import (
	"net/netip"
	"sync"
	"time"
)

// limiter is a token bucket per address. Safe for concurrent use.
type limiter struct {
	rate, burst float64 // tokens a second, tokens

	mu      sync.Mutex
	buckets map[netip.Addr]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newLimiter(rate, burst int) *limiter {
	return &limiter{rate: float64(rate), burst: float64(burst), buckets: map[netip.Addr]bucket{}}
}

// allow takes a token of an address, if it has one.
func (l *limiter) allow(a netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.filled(a, now)
	ok := b.tokens >= 1
	if ok {
		b.tokens--
	}
	l.buckets[a] = b
	return ok
}

func (l *limiter) filled(a netip.Addr, now time.Time) bucket {
	b, known := l.buckets[a]
	if !known {
		return bucket{tokens: l.burst, at: now}
	}
	b.tokens = min(l.burst, b.tokens+max(now.Sub(b.at).Seconds(), 0)*l.rate)
	b.at = now
	return b
}

// prune forgets buckets that are full again.
func (l *limiter) prune(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for a := range l.buckets {
		if l.filled(a, now).tokens >= l.burst {
			delete(l.buckets, a)
		}
	}
}
