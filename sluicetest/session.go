package sluicetest

import (
	"context"
	"time"

	"sluice"
)

// Lease implements sluice.Queue.
func (q *Queue) Lease(ctx context.Context, name, holder string, ttl time.Duration) (l sluice.Lease, err error) {
	err = q.try(ctx, func() (err error) {
		l, err = q.roster.Lease(name, holder, ttl, q.micros())
		return err
	})
	return l, err
}

// Renew implements sluice.Queue.
func (q *Queue) Renew(ctx context.Context, l sluice.Lease, ttl time.Duration) error {
	return q.try(ctx, func() error { return q.roster.Renew(l, ttl, q.micros()) })
}

// Unlease implements sluice.Queue.
func (q *Queue) Unlease(ctx context.Context, l sluice.Lease) error {
	return q.step(ctx, func() { q.roster.Unlease(l, q.micros()) })
}

// Forget implements sluice.Queue.
func (q *Queue) Forget(ctx context.Context, l sluice.Lease) error {
	return q.try(ctx, func() error { return q.roster.Forget(l) })
}

// Subscribe implements sluice.Queue.
func (q *Queue) Subscribe(ctx context.Context, l sluice.Lease, filters []string) error {
	return q.try(ctx, func() error { return q.roster.Subscribe(l, filters) })
}

// try makes a step that may be refused before it changed anything.
func (q *Queue) try(ctx context.Context, step func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.roster.Commit()
	return step()
}

// step makes a step that cannot be refused.
func (q *Queue) step(ctx context.Context, step func()) error {
	return q.try(ctx, func() error {
		step()
		return nil
	})
}

// leased makes a step of a session whose lease holds.
func (q *Queue) leased(ctx context.Context, l sluice.Lease, step func() error) error {
	return q.try(ctx, func() error {
		if _, err := q.roster.Leased(l); err != nil {
			return err
		}
		return step()
	})
}

// micros is the store time.
func (q *Queue) micros() int64 { return q.now().UnixMicro() }
