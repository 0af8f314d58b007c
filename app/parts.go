package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// part is one of the services of a process.
type part struct {
	name string
	// run works until ctx ends, and returns nil then.
	run func(ctx context.Context) error
}

// running is a part that runs.
type running struct {
	part

	end   context.CancelFunc
	ended chan error // gets what run returned
}

// runParts runs all parts until ctx ends or one of them does, and then ends them one
// after another, the last first: each may rely on those before it.
func runParts(ctx context.Context, parts []part) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var all []running
	for _, p := range parts {
		all = append(all, p.start(ctx, stop))
	}
	<-ctx.Done()
	var errs []error
	for _, r := range slices.Backward(all) {
		r.end()
		if err := <-r.ended; err != nil && !errors.Is(err, context.Canceled) {
			errs = append(errs, fmt.Errorf("%s: %w", r.name, err))
		}
	}
	return errors.Join(errs...)
}

// start runs the part, and calls over when it has ended.
func (p part) start(ctx context.Context, over func()) running {
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	r := running{part: p, end: end, ended: make(chan error, 1)}
	go func() {
		r.ended <- p.run(ctx)
		over()
	}()
	return r
}
