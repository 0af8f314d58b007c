package device

import (
	"context"
	"fmt"
	"sync"
)

// maxDials bounds how many devices connect at the same moment.
const maxDials = 64

// Fleet is a number of simulated devices. Its methods are safe for concurrent
// use, but Run may be called only once.
type Fleet struct {
	cfg     Config
	devices []*device
	counts  *counts
}

// New makes the devices and starts none.
func New(cfg Config) (*Fleet, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	f := &Fleet{cfg: cfg, counts: &counts{}}
	dials := make(chan struct{}, maxDials)
	for n := 1; n <= cfg.Count; n++ {
		f.devices = append(f.devices, newDevice(cfg, n, f.counts, dials))
	}
	return f, nil
}

// Run runs the devices until ctx ends, then lets each send what it keeps for up
// to 2 s, unless the fleet is unclean, and returns nil when all are gone.
func (f *Fleet) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, d := range f.devices {
		wg.Go(func() { d.run(ctx) })
	}
	wg.Go(func() { f.report(ctx) })
	wg.Wait()
	return nil
}

// Crash ends one device for good as a power cut would: its socket is dropped
// without DISCONNECT, what it kept is lost.
func (f *Fleet) Crash(device string) error {
	for _, d := range f.devices {
		if d.name == device {
			d.crash()
			return nil
		}
	}
	return fmt.Errorf("device: no device %q", device)
}

// Stats returns the counts of the whole fleet.
func (f *Fleet) Stats() Stats {
	s := f.counts.snapshot()
	s.Devices = len(f.devices)
	for _, d := range f.devices {
		s.Kept += d.outbox.len()
	}
	return s
}
