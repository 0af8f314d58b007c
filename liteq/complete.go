package liteq

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sluice"
)

// Extend implements sluice.Queue.
func (q *Queue) Extend(ctx context.Context, c *sluice.Claim, ttl time.Duration) error {
	return q.claimed(ctx, c, func(f *fifo, seal, now int64) error {
		q.batches.Edit(batchKey{f.No, seal}).Due = now + ttl.Microseconds()
		return nil
	})
}

// Complete implements sluice.Queue.
func (q *Queue) Complete(ctx context.Context, c *sluice.Claim, o sluice.Outcome) error {
	letters, err := encodeDead(o.Dead)
	if err != nil {
		return err
	}
	for i := range o.Forward {
		if err := checkPart(&o.Forward[i]); err != nil {
			return err
		}
	}
	return q.claimed(ctx, c, func(f *fifo, seal, now int64) error {
		if n, want := size(o), q.batches.Get(batchKey{f.No, seal}).Count; n != want {
			return fmt.Errorf("outcome of %d messages for a batch of %d", n, want)
		}
		q.remove(f, seal)
		f.settle(o)
		f.Halted, f.HaltedSince = "", 0
		q.bury(letters, now)
		for i := range o.Forward {
			p := &o.Forward[i]
			q.push(p.Queue, p.Frame, p.Policy, now, now)
		}
		if len(f.Taken) > 0 || f.Claimed < f.Seals { // more behind it
			q.pushed[c.Batch.Route] = true
		}
		return nil
	})
}

// size is of how many messages an outcome is.
func size(o sluice.Outcome) int {
	n := o.Stored + o.Duplicate + len(o.Dead)
	for _, dropped := range o.Dropped {
		n += dropped
	}
	return n
}

// settle adds an outcome to the account, without its dead letters.
func (f *fifo) settle(o sluice.Outcome) {
	f.Account.Stored += int64(o.Stored)
	f.Account.Duplicate += int64(o.Duplicate)
	for cause, n := range o.Dropped {
		f.drop(cause, n)
	}
}

// Release implements sluice.Queue.
func (q *Queue) Release(ctx context.Context, c *sluice.Claim, r sluice.Retry) error {
	return q.claimed(ctx, c, func(f *fifo, seal, now int64) error {
		b := q.batches.Edit(batchKey{f.No, seal})
		b.InRetry, b.Due, b.Token = true, now+r.After.Microseconds(), ""
		if r.Halted {
			f.halt(r.Reason, now)
		}
		q.pushed[c.Batch.Route] = true
		return nil
	})
}

// Note implements sluice.Queue.
func (q *Queue) Note(ctx context.Context, c *sluice.Claim, note []byte) error {
	return q.claimed(ctx, c, func(f *fifo, _, _ int64) error {
		f.Note = slices.Clone(note)
		return nil
	})
}

// Resume implements sluice.Queue.
func (q *Queue) Resume(ctx context.Context, queue string) error {
	return q.step(ctx, func(now int64) error {
		f := q.fifos.Get(queue)
		if f == nil {
			return nil
		}
		for _, seal := range f.Taken {
			if key := (batchKey{f.No, seal}); q.batches.Get(key).InRetry && q.batches.Get(key).Due > now {
				q.batches.Edit(key).Due = now
			}
		}
		q.pushed[queue] = true
		return nil
	})
}
