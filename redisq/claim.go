package redisq

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"sluice"
)

// inlineBytes is the size in record bytes up to which a batch comes with the
// answer of claim.lua: below it a second call costs more than the way through Lua.
const inlineBytes = 16 << 10

// Claim implements sluice.Queue. An error after the claim was made leaves the
// batch claimed until the claim expires.
func (q *Queue) Claim(ctx context.Context, c sluice.ClaimRequest) (sluice.ClaimResult, error) {
	token := randomHex()
	reply, err := q.run(ctx, q.scripts.claim,
		[]string{q.keys.state(c.Queue), q.keys.sealed(c.Queue), q.keys.taken(c.Queue)},
		[]string{strconv.Itoa(c.Concurrency), micros(c.TTL), token, q.keys.batches(), strconv.Itoa(inlineBytes)})
	if err != nil {
		return sluice.ClaimResult{}, err
	}
	r := reader{reply: reply}
	if len(reply) == 1 {
		wait := time.Duration(r.number()) * time.Microsecond
		return sluice.ClaimResult{Wait: wait}, r.fault("claim")
	}
	id, attempt, count, frames, note := r.text(), r.number(), r.number(), r.texts(), r.text()
	if len(frames) == 0 {
		list := q.client.B().Lrange().Key(q.keys.batch(id)).Start(0).Stop(-1).Build()
		if frames, err = q.client.Do(ctx, list).AsStrSlice(); err != nil {
			return sluice.ClaimResult{}, fmt.Errorf("redis claim: read batch %s: %w", id, err)
		}
	}
	b := &sluice.Batch{Route: c.Queue, Attempt: int(attempt)}
	if note != "" {
		b.Note = []byte(note)
	}
	b.ID, b.Messages = r.batch(id, count, frames)
	if err := r.fault("claim"); err != nil {
		return sluice.ClaimResult{}, err
	}
	return sluice.ClaimResult{Claim: &sluice.Claim{Token: token, Batch: b}}, nil
}

// batch decodes a claimed batch, which must have count messages: it has not when
// the claim expired and another worker completed it before it was read.
func (r *reader) batch(hex string, count int64, frames []string) (sluice.BatchID, []sluice.Message) {
	id, err := sluice.ParseBatchID(hex)
	if err != nil {
		r.note(err)
		return id, nil
	}
	ms := make([]sluice.Message, 0, max(count, 0))
	for _, f := range frames {
		if ms, err = sluice.AppendMessages(ms, []byte(f)); err != nil {
			r.note(err)
		}
	}
	if int64(len(ms)) != count {
		r.note(fmt.Errorf("batch %s has %d of %d messages", hex, len(ms), count))
	}
	return id, ms
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

// Note implements sluice.Queue.
func (q *Queue) Note(ctx context.Context, c *sluice.Claim, note []byte) error {
	queue := c.Batch.Route
	ok, err := q.flag(ctx, q.scripts.note,
		[]string{q.keys.state(queue), q.keys.taken(queue)},
		[]string{c.Batch.ID.String(), c.Token, rueidis.BinaryString(note)})
	return unless(ok, err, sluice.ErrLost)
}

// Resume implements sluice.Queue.
func (q *Queue) Resume(ctx context.Context, queue string) error {
	_, err := q.flag(ctx, q.scripts.resume, []string{q.keys.taken(queue)}, []string{q.keys.hints(), queue})
	return err
}
