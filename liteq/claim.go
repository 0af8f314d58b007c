package liteq

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	"sluice"
)

// Claim implements sluice.Queue.
func (q *Queue) Claim(ctx context.Context, r sluice.ClaimRequest) (result sluice.ClaimResult, err error) {
	err = q.step(ctx, func(now int64) error {
		if q.fifos.Get(r.Queue) == nil {
			return nil
		}
		seal, wait := q.next(r, now)
		if seal == 0 {
			result.Wait = micros(wait)
			return nil
		}
		result.Claim, err = q.claim(r, seal, now)
		return err
	})
	if err != nil {
		return sluice.ClaimResult{}, err
	}
	return result, nil
}

// next returns the batch to claim; if there is none, 0 and the time until a claim
// expires or a retry is due, 0 when there is neither.
func (q *Queue) next(r sluice.ClaimRequest, now int64) (seal, wait int64) {
	f := q.fifos.Get(r.Queue)
	held := f.Taken
	if len(held) > 1 && f.Halted != "" {
		held = held[:1] // only the oldest is tried
	}
	for _, retry := range []bool{false, true} {
		for _, s := range held {
			if b := q.batches.Get(batchKey{f.No, s}); b.InRetry == retry && b.Due <= now {
				return s, 0
			}
		}
	}
	if len(held) < max(r.Concurrency, 1) && f.Halted == "" && f.Claimed < f.Seals {
		return f.Claimed + 1, 0
	}
	for _, s := range held {
		if left := q.batches.Get(batchKey{f.No, s}).Due - now; wait == 0 || left < wait {
			wait = left
		}
	}
	return 0, wait
}

func (q *Queue) claim(r sluice.ClaimRequest, seal, now int64) (*sluice.Claim, error) {
	f := q.fifos.Edit(r.Queue)
	if seal > f.Claimed {
		f.Claimed, f.Taken = seal, with(f.Taken, seal)
	}
	b := q.batches.Edit(batchKey{f.No, seal})
	b.InRetry, b.Due, b.Token = false, now+r.TTL.Microseconds(), rand.Text()
	b.Attempt++
	messages, err := q.read(f, b)
	if err != nil {
		return nil, err
	}
	return &sluice.Claim{
		Token: b.Token,
		Batch: &sluice.Batch{ID: b.ID, Route: r.Queue, Attempt: b.Attempt, Messages: messages, Note: slices.Clone(f.Note)},
	}, nil
}

// read reads the messages of a batch.
func (q *Queue) read(f *fifo, b *batch) ([]sluice.Message, error) {
	data, err := q.records(f, b)
	if err != nil {
		return nil, q.file.Explain(fmt.Errorf("batch %s: %w", b.ID, err))
	}
	messages, err := sluice.AppendMessages(make([]sluice.Message, 0, b.Count), data)
	if err == nil && len(messages) != b.Count {
		err = fmt.Errorf("%d messages of %d", len(messages), b.Count)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: batch %s: %w: %w", q.file.Path(), b.ID, errDamaged, err)
	}
	return messages, nil
}

// records reads the bytes of a batch.
func (q *Queue) records(f *fifo, b *batch) ([]byte, error) {
	s := q.sql.readFrames
	if err := s.BindInt64(1, f.frameID(b.From.Frame)); err != nil {
		return nil, err
	}
	if err := s.BindInt64(2, f.frameID(b.To.Frame)); err != nil {
		return nil, err
	}
	data := make([]byte, 0, b.Size)
	for s.Step() {
		id, part := s.ColumnInt64(0), s.ColumnRawBlob(1)
		from, to := int64(0), int64(len(part))
		if id == f.frameID(b.To.Frame) && b.To.Byte != whole {
			to = min(b.To.Byte, to)
		}
		if id == f.frameID(b.From.Frame) {
			from = min(b.From.Byte, to)
		}
		data = append(data, part[from:to]...)
	}
	return data, s.Reset()
}

// claimed makes a step with the batch of a claim that still holds.
func (q *Queue) claimed(ctx context.Context, c *sluice.Claim, work func(f *fifo, seal, now int64) error) error {
	return q.step(ctx, func(now int64) error {
		if f := q.fifos.Get(c.Batch.Route); f != nil {
			for _, seal := range f.Taken {
				if b := q.batches.Get(batchKey{f.No, seal}); b.ID == c.Batch.ID && !b.InRetry && b.Token == c.Token {
					return work(q.fifos.Edit(c.Batch.Route), seal, now)
				}
			}
		}
		return sluice.ErrLost
	})
}
