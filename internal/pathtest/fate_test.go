package pathtest

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"

	"sluice"
)

// point is a place in the life of a message at which a router dies.
type point string

const (
	beforeAppend  point = "before append"
	afterAppend   point = "between append and ack"
	afterSeal     point = "between seal and claim"
	afterClaim    point = "after claim, its answer unused"
	beforeHandler point = "between claim and handler"
	afterCommit   point = "between COMMIT and complete"
	afterComplete point = "after complete"
)

// fate says at which passage of a point a router dies.
type fate struct {
	Point point
	// Route is the queue whose messages must be concerned.
	Route string
	// Nth counts from 1.
	Nth int64
}

// ending carries out a fate. Safe for concurrent use.
type ending struct {
	fate   fate
	passed atomic.Int64
}

// pass dies if this is the place and the time.
func (e *ending) pass(at point, route string) {
	if at == e.fate.Point && route == e.fate.Route && e.passed.Add(1) == e.fate.Nth {
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way: nothing more happens here
	}
}

func (e *ending) queue(q sluice.Queue) sluice.Queue { return &endingQueue{Queue: q, end: e} }

// endingQueue passes the points around the calls of a queue.
type endingQueue struct {
	sluice.Queue

	end *ending
}

func (q *endingQueue) Append(ctx context.Context, g *sluice.Group) (sluice.Receipt, error) {
	for _, p := range g.Parts {
		q.end.pass(beforeAppend, p.Queue)
	}
	r, err := q.Queue.Append(ctx, g)
	if err != nil {
		return r, err
	}
	for i, p := range g.Parts {
		q.end.pass(afterAppend, p.Queue)
		if r.Parts[i].Sealed > 0 {
			q.end.pass(afterSeal, p.Queue)
		}
	}
	return r, nil
}

func (q *endingQueue) Seal(ctx context.Context, queue string, p sluice.Policy) (sluice.SealResult, error) {
	r, err := q.Queue.Seal(ctx, queue, p)
	if err == nil && r.Sealed {
		q.end.pass(afterSeal, queue)
	}
	return r, err
}

// Claim finds nothing where the router is to die between seal and claim: another
// goroutine must not be faster.
func (q *endingQueue) Claim(ctx context.Context, c sluice.ClaimRequest) (sluice.ClaimResult, error) {
	if q.end.fate.Point == afterSeal && q.end.fate.Route == c.Queue {
		return sluice.ClaimResult{}, nil
	}
	r, err := q.Queue.Claim(ctx, c)
	if err == nil && r.Claim != nil {
		q.end.pass(afterClaim, c.Queue)
	}
	return r, err
}

func (q *endingQueue) Complete(ctx context.Context, c *sluice.Claim, o sluice.Outcome) error {
	err := q.Queue.Complete(ctx, c, o)
	if err == nil {
		q.end.pass(afterComplete, c.Batch.Route)
	}
	return err
}

// handler passes the points around a handler. After COMMIT means after that of a
// batch with bad messages, but for the queue of dead letters, which has none.
func (e *ending) handler(h sluice.Handler) sluice.Handler {
	return sluice.HandlerFunc(func(ctx context.Context, b *sluice.Batch) error {
		e.pass(beforeHandler, b.Route)
		err := h.Handle(ctx, b)
		var partly *sluice.BatchError
		if errors.As(err, &partly) && len(partly.Bad) > 0 || err == nil && b.Route == sluice.QueueDead {
			e.pass(afterCommit, b.Route)
		}
		return err
	})
}
