package liteq

import (
	"context"
	"time"

	"sluice"
)

// Lease implements sluice.Queue.
func (q *Queue) Lease(ctx context.Context, session, holder string, ttl time.Duration) (l sluice.Lease, err error) {
	err = q.step(ctx, func(now int64) (err error) {
		l, err = q.roster.Lease(session, holder, ttl, now)
		return err
	})
	if err != nil {
		return sluice.Lease{}, err
	}
	return l, nil
}

// Renew implements sluice.Queue.
func (q *Queue) Renew(ctx context.Context, l sluice.Lease, ttl time.Duration) error {
	return q.step(ctx, func(now int64) error { return q.roster.Renew(l, ttl, now) })
}

// Unlease implements sluice.Queue.
func (q *Queue) Unlease(ctx context.Context, l sluice.Lease) error {
	return q.step(ctx, func(now int64) error {
		q.roster.Unlease(l, now)
		return nil
	})
}

// Forget implements sluice.Queue.
func (q *Queue) Forget(ctx context.Context, l sluice.Lease) error {
	return q.step(ctx, func(int64) error { return q.roster.Forget(l) })
}

// Subscribe implements sluice.Queue.
func (q *Queue) Subscribe(ctx context.Context, l sluice.Lease, filters []string) error {
	return q.step(ctx, func(int64) error { return q.roster.Subscribe(l, filters) })
}
