package redisq

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"sluice"
)

// Claim implements sluice.Queue.
func (q *Queue) Claim(ctx context.Context, c sluice.ClaimRequest) (sluice.ClaimResult, error) {
	token := randomHex()
	reply, err := q.run(ctx, q.scripts.claim,
		[]string{q.keys.state(c.Queue), q.keys.sealed(c.Queue), q.keys.taken(c.Queue)},
		[]string{strconv.Itoa(c.Concurrency), micros(c.TTL), token, q.keys.batches()})
	if err != nil {
		return sluice.ClaimResult{}, err
	}
	r := reader{reply: reply}
	if len(reply) == 1 {
		wait := time.Duration(r.number()) * time.Microsecond
		return sluice.ClaimResult{Wait: wait}, r.fault("claim")
	}
	b, err := r.batch(c.Queue)
	if err != nil {
		return sluice.ClaimResult{}, err
	}
	return sluice.ClaimResult{Claim: &sluice.Claim{Token: token, Batch: b}}, nil
}

// batch reads a claimed batch: id, attempt, count, frames.
func (r *reader) batch(queue string) (*sluice.Batch, error) {
	hex, attempt, count, frames := r.text(), r.number(), r.number(), r.texts()
	id, err := sluice.ParseBatchID(hex)
	if err != nil {
		r.note(err)
	}
	b := &sluice.Batch{ID: id, Route: queue, Attempt: int(attempt)}
	if count > 0 {
		b.Messages = make([]sluice.Message, 0, count)
	}
	for _, f := range frames {
		if b.Messages, err = sluice.AppendMessages(b.Messages, []byte(f)); err != nil {
			r.note(err)
		}
	}
	if int64(len(b.Messages)) != count {
		r.note(fmt.Errorf("batch %s of %s has %d of %d messages", hex, queue, len(b.Messages), count))
	}
	return b, r.fault("claim")
}

// Extend implements sluice.Queue.
func (q *Queue) Extend(ctx context.Context, c *sluice.Claim, ttl time.Duration) error {
	ok, err := q.flag(ctx, q.scripts.extend,
		[]string{q.keys.taken(c.Batch.Route)},
		[]string{c.Batch.ID.String(), c.Token, micros(ttl)})
	return unless(ok, err, sluice.ErrLost)
}

// Release implements sluice.Queue.
func (q *Queue) Release(ctx context.Context, c *sluice.Claim, r sluice.Retry) error {
	halt := "0"
	if r.Halted {
		halt = "1"
	}
	if r.Reason == "" {
		r.Reason = "halted" // "" would say that it is not
	}
	queue := c.Batch.Route
	ok, err := q.flag(ctx, q.scripts.release,
		[]string{q.keys.state(queue), q.keys.taken(queue)},
		[]string{c.Batch.ID.String(), c.Token, micros(max(r.After, 0)), halt, r.Reason, q.keys.hints(), queue})
	return unless(ok, err, sluice.ErrLost)
}

// Resume implements sluice.Queue.
func (q *Queue) Resume(ctx context.Context, queue string) error {
	_, err := q.flag(ctx, q.scripts.resume, []string{q.keys.taken(queue)}, []string{q.keys.hints(), queue})
	return err
}
