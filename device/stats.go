package device

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Stats is what a fleet has done since it was made. Taken = Acked + Dropped +
// Kept, but for readings that are on their way between two of these.
type Stats struct {
	// Connected is how many of the Devices hear the pulse now.
	Devices, Connected int
	// Connects counts connections that came as far as the subscription to the
	// pulse, the first ones included.
	Connects int64
	Pulses   int64
	// Taken counts readings, Acked those that the broker has acknowledged.
	Taken, Acked int64
	// Resent counts publications of a reading beyond its first.
	Resent int64
	// Refused counts publications that the broker answered with anything but
	// success: an error, or that nobody has subscribed. The reading is kept.
	Refused int64
	// Skipped counts pulses and intervals without a reading, since the device had
	// one of that second already or was still waiting to take one.
	Skipped int64
	// Dropped counts readings given up because a device kept too many.
	Dropped int64
	// Kept is how many readings wait for their acknowledgement now.
	Kept int
}

// String returns one line for people.
func (s Stats) String() string {
	return fmt.Sprintf("%d of %d devices connected, %d pulses, %d readings: %d acked, %d kept, %d dropped; %d resent, %d refused",
		s.Connected, s.Devices, s.Pulses, s.Taken, s.Acked, s.Kept, s.Dropped, s.Resent, s.Refused)
}

// counts are the counters that all devices of a fleet share.
type counts struct {
	connected, connects, pulses, taken, acked, resent, refused, skipped, dropped atomic.Int64
}

func (c *counts) snapshot() Stats {
	return Stats{
		Connected: int(c.connected.Load()),
		Connects:  c.connects.Load(),
		Pulses:    c.pulses.Load(),
		Taken:     c.taken.Load(),
		Acked:     c.acked.Load(),
		Resent:    c.resent.Load(),
		Refused:   c.refused.Load(),
		Skipped:   c.skipped.Load(),
		Dropped:   c.dropped.Load(),
	}
}

// report shows the counts until ctx ends.
func (f *Fleet) report(ctx context.Context) {
	every := 30 * time.Second
	if f.cfg.Progress != nil {
		every = time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			f.show("\n")
			return
		case <-tick.C:
			f.show("")
		}
	}
}

// show writes the counts: over the last line of a terminal, followed by end, or
// into the log.
func (f *Fleet) show(end string) {
	s := f.Stats()
	if f.cfg.Progress != nil {
		fmt.Fprintf(f.cfg.Progress, "\r\x1b[K%s%s", s, end)
		return
	}
	f.cfg.Logger.Info("fleet", "devices", s.Devices, "connected", s.Connected, "pulses", s.Pulses,
		"taken", s.Taken, "acked", s.Acked, "kept", s.Kept, "dropped", s.Dropped,
		"resent", s.Resent, "refused", s.Refused, "skipped", s.Skipped)
}
