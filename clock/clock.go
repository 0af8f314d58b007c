package clock

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Clock publishes pulses at QoS 1. Pulse k is due k intervals after Run began;
// one that the broker has not acknowledged an interval after it was due is
// skipped, so that pulses never pile up.
type Clock struct {
	cfg Config

	published, skipped, last atomic.Int64

	failing bool // used by Run only: the last pulse was skipped
}

// New checks the configuration. It starts nothing.
func New(cfg Config) (*Clock, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Clock{cfg: cfg}, nil
}

// Stats is what a clock has done since it was made.
type Stats struct {
	Published int64
	// Skipped counts pulses that could not be published in their interval.
	Skipped int64
	// Last is when the last pulse was acknowledged; zero before the first.
	Last time.Time
}

// Stats returns the counts. Safe for concurrent use.
func (c *Clock) Stats() Stats {
	s := Stats{Published: c.published.Load(), Skipped: c.skipped.Load()}
	if last := c.last.Load(); last != 0 {
		s.Last = time.UnixMicro(last)
	}
	return s
}

// Run publishes until Count pulses are published or ctx ends; both return nil.
// Call it once.
func (c *Clock) Run(ctx context.Context) error {
	start := time.Now()
	for slot := int64(0); ; slot++ {
		slot = c.skipMissed(start, slot)
		due := start.Add(time.Duration(slot)*c.cfg.Interval + c.delay())
		if !waitUntil(ctx, due) {
			return nil
		}
		if !c.pulse(ctx, due) {
			return nil
		}
		if c.cfg.Count > 0 && c.published.Load() >= int64(c.cfg.Count) {
			return nil
		}
	}
}

// skipMissed returns the first slot from slot on whose interval is not over, and
// counts those before it: they passed while an earlier pulse was being published
// or the machine slept.
func (c *Clock) skipMissed(start time.Time, slot int64) int64 {
	missed := int64(time.Since(start)/c.cfg.Interval) - slot
	if missed <= 0 {
		return slot
	}
	c.skipped.Add(missed)
	return slot + missed
}

func (c *Clock) delay() time.Duration {
	if c.cfg.Jitter == 0 {
		return 0
	}
	return rand.N(c.cfg.Jitter)
}

// pulse publishes one pulse; false when ctx ended.
func (c *Clock) pulse(ctx context.Context, due time.Time) bool {
	limited, cancel := context.WithDeadline(ctx, due.Add(c.cfg.Interval))
	defer cancel()
	err := c.publish(limited)
	if ctx.Err() != nil {
		return false
	}
	c.record(err)
	return true
}

// record counts a pulse and logs where an outage begins and ends.
func (c *Clock) record(err error) {
	if err != nil {
		c.skipped.Add(1)
		if !c.failing {
			c.cfg.Logger.Warn("pulses are being skipped", "err", err)
		}
		c.failing = true
		return
	}
	c.published.Add(1)
	c.last.Store(time.Now().UnixMicro())
	if c.failing {
		c.cfg.Logger.Info("pulses are published again", "skipped", c.skipped.Load())
	}
	c.failing = false
}

// publish tries again after an error until ctx ends, at most ten times an
// interval.
func (c *Clock) publish(ctx context.Context) error {
	for {
		err := c.cfg.Publisher.Publish(ctx, c.cfg.Topic, nil, 1)
		if err == nil || !waitUntil(ctx, time.Now().Add(c.cfg.Interval/10)) {
			return err
		}
	}
}

// waitUntil returns true at t, false when ctx ends first.
func waitUntil(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
