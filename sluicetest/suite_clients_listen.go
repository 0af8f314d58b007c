package sluicetest

import (
	"context"
	"errors"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sluice"
)

// listen listens until the test ends, with its context's error.
func (r *clientRig) listen() <-chan sluice.Broadcast {
	ctx, cancel := context.WithCancel(r.ctx)
	heard := make(chan sluice.Broadcast, 1000) // more than a test says
	ended := make(chan error, 1)
	go func() { ended <- r.s.Listen(ctx, func(b sluice.Broadcast) { heard <- b }) }()
	r.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			r.Errorf("Listen: got error %v, want that of the context", err)
		}
	})
	return heard
}

// hears repeats act until it was heard: a listener needs its time to begin.
func (r *clientRig) hears(heard <-chan sluice.Broadcast, want sluice.Broadcast, act func()) {
	r.Helper()
	for act(); !r.hearsOnce(heard, want); {
		act()
	}
}

// hearsOnce waits a moment for a broadcast.
func (r *clientRig) hearsOnce(heard <-chan sluice.Broadcast, want sluice.Broadcast) bool {
	r.Helper()
	moment := time.NewTimer(20 * time.Millisecond)
	defer moment.Stop()
	for {
		select {
		case b := <-heard:
			if cmp.Equal(b, want, cmpopts.EquateEmpty()) {
				return true
			}
		case <-moment.C:
			return false
		case <-r.ctx.Done():
			r.Fatalf("waited in vain for %+v", want)
		}
	}
}
