package device

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
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

// New makes the devices and starts none. It reads the files of Config.Passwords.
func New(cfg Config) (*Fleet, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	f := &Fleet{cfg: cfg, counts: &counts{}}
	dials := make(chan struct{}, maxDials)
	for n := 1; n <= cfg.Count; n++ {
		one, err := cfg.as(cfg.name(n))
		if err != nil {
			return nil, err
		}
		f.devices = append(f.devices, newDevice(one, n, f.counts, dials))
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
	wg.Go(func() { f.play(ctx) })
	wg.Go(func() { f.report(ctx) })
	wg.Wait()
	return nil
}

// play makes the configured drops happen until ctx ends.
func (f *Fleet) play(ctx context.Context) {
	began := time.Now()
	inOrder := func(a, b Drop) int { return cmp.Compare(a.At, b.At) }
	for _, drop := range slices.SortedStableFunc(slices.Values(f.cfg.Drops), inOrder) {
		if !wait(ctx, time.Until(began.Add(drop.At))) {
			return
		}
		d := f.devices[drop.Device-1]
		if drop.Mute {
			d.mute.set(drop.Away)
		} else {
			d.line.cut(drop.Away)
		}
	}
}

// Drop closes the socket of one device without DISCONNECT, so that the broker
// publishes its last will. The device stays away for the given time and then
// connects at once; with 0 or less it never comes back and ends. One that is away
// already stays away for that long from now. An error when there is no such
// device, or it has ended.
func (f *Fleet) Drop(device string, away time.Duration) error {
	d, err := f.device(device)
	if err != nil {
		return err
	}
	if _, ok := d.line.cut(away); !ok {
		return fmt.Errorf("device: %q is gone for good", device)
	}
	return nil
}

// PowerCut drops all devices at the same moment, as Drop does one, and returns
// how many of them had a socket.
func (f *Fleet) PowerCut(away time.Duration) int {
	closed := 0
	releases := make([]func(), len(f.devices))
	for i, d := range f.devices {
		release, had, _ := d.line.sever(away)
		releases[i] = release
		if had {
			closed++
		}
	}
	for _, release := range releases {
		release()
	}
	return closed
}

// Mute keeps one device from sending readings for the given time, for ever with
// 0 or less. It stays connected and takes readings, which it sends afterwards.
// The time of an earlier Mute is forgotten.
func (f *Fleet) Mute(device string, lasting time.Duration) error {
	d, err := f.device(device)
	if err == nil {
		d.mute.set(lasting)
	}
	return err
}

// Crash ends one device for good as a power cut would: its socket is dropped
// without DISCONNECT, what it kept is lost.
func (f *Fleet) Crash(device string) error {
	d, err := f.device(device)
	if err == nil {
		d.line.cut(0)
	}
	return err
}

func (f *Fleet) device(name string) (*device, error) {
	for _, d := range f.devices {
		if d.name == name {
			return d, nil
		}
	}
	return nil, fmt.Errorf("device: no device %q", name)
}

// Names says which names the devices have, for people.
func (f *Fleet) Names() string {
	first, last := f.devices[0].name, f.devices[len(f.devices)-1].name
	if first == last {
		return first
	}
	return first + " to " + last
}

// Truth returns what the devices did so far; nothing without Config.Truth.
func (f *Fleet) Truth() []TruthEvent { return f.cfg.Truth.Events() }

// Stats returns the counts of the whole fleet.
func (f *Fleet) Stats() Stats {
	s := f.counts.snapshot()
	s.Devices = len(f.devices)
	for _, d := range f.devices {
		s.Kept += d.outbox.len()
	}
	return s
}
