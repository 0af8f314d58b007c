package sluice

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackoff_DoublesFromMinToMaxWithJitter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		min, max time.Duration
		tries    int
		want     time.Duration // before jitter
	}{
		{"first", 100 * time.Millisecond, 5 * time.Second, 0, 100 * time.Millisecond},
		{"second", 100 * time.Millisecond, 5 * time.Second, 1, 200 * time.Millisecond},
		{"last below the cap", 100 * time.Millisecond, 5 * time.Second, 5, 3200 * time.Millisecond},
		{"cap", 100 * time.Millisecond, 5 * time.Second, 6, 5 * time.Second},
		{"cap after a year", 100 * time.Millisecond, 5 * time.Second, 6_000_000, 5 * time.Second},
		{"long delays never overflow", time.Hour, 24 * time.Hour, 31, 24 * time.Hour},
		{"min above max", time.Minute, time.Second, 0, time.Second},
		{"no try at all", time.Second, time.Minute, -1, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := backoff{min: tt.min, max: tt.max}
			low, high := tt.want, time.Duration(0)
			for range 1000 {
				d := b.at(tt.tries)
				if d < tt.want/2 || d > tt.want {
					t.Fatalf("delay %v is not within [%v, %v]", d, tt.want/2, tt.want)
				}
				low, high = min(low, d), max(high, d)
			}
			if high-low < tt.want/4 {
				t.Errorf("1000 delays lie between %v and %v: too little jitter", low, high)
			}
		})
	}
}

func TestBackoff_NextCountsAndResetForgets(t *testing.T) {
	t.Parallel()
	b := backoff{min: time.Second, max: time.Hour}
	for want := time.Second; want <= 8*time.Second; want *= 2 {
		if d := b.next(); d < want/2 || d > want {
			t.Errorf("delay %v, want within [%v, %v]", d, want/2, want)
		}
	}
	b.reset()
	if d := b.next(); d > time.Second {
		t.Errorf("delay %v after reset, want at most 1s", d)
	}
}

func TestWait_EndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		wait(t.Context(), time.Second)
		if got := time.Since(began); got != time.Second {
			t.Errorf("waited %v, want 1s", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wait(ctx, time.Hour)
		if got := time.Since(began); got != 2*time.Second {
			t.Errorf("the wait ended after %v, want 2s", got)
		}
	})
}
