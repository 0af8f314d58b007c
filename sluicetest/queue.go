package sluicetest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"sluice"
	"sluice/internal/roster"
)

// Queue is a sluice.Queue, sluice.DeviceStore and sluice.ClientStore in memory: the contract written
// down as plainly as possible. It is strict: a group, policy or outcome that
// breaks a rule of the contract is refused with an error. Nothing survives the
// process.
//
// One mutex guards everything, so each method is one atomic step.
type Queue struct {
	now   func() time.Time
	quota int // dead letters per device and hour

	mu        sync.Mutex
	full      bool
	fifos     map[string]*fifo
	dead      map[string]int // dead letters of each device in the hour deadHour
	deadHour  time.Time
	watchers  map[*watcher]bool
	listeners map[*listener]bool
	roster    *roster.Roster
}

var _ sluice.Queue = (*Queue)(nil)

// An Option changes a default of NewQueue.
type Option func(*Queue)

// WithClock makes the queue keep time by now, which must never go back.
// Default: time.Now.
func WithClock(now func() time.Time) Option { return func(q *Queue) { q.now = now } }

// WithDeadQuota sets how many dead letters of one device are kept per hour of
// the clock; those whose device is unknown share one quota. Default 1000.
func WithDeadQuota(perHour int) Option { return func(q *Queue) { q.quota = perHour } }

// NewQueue returns an empty queue.
func NewQueue(opts ...Option) *Queue {
	q := &Queue{
		now: time.Now, quota: 1000,
		fifos: map[string]*fifo{}, dead: map[string]int{},
		watchers: map[*watcher]bool{}, listeners: map[*listener]bool{},
		roster: roster.New(pages),
	}
	for _, opt := range opts {
		opt(q)
	}
	return q
}

// SetFull makes every later Append of a new group fail with sluice.ErrFull, as a
// store without memory does, or ends that.
func (q *Queue) SetFull(full bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.full = full
}

// Append implements sluice.Queue.
func (q *Queue) Append(ctx context.Context, g *sluice.Group) (sluice.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return sluice.Receipt{}, err
	}
	parts, err := decodeParts(g.Parts)
	if err != nil {
		return sluice.Receipt{}, err
	}
	letters, err := encodeDead(g.Dead)
	if err != nil {
		return sluice.Receipt{}, err
	}
	if err := roster.CheckMoves(g.Moves); err != nil {
		return sluice.Receipt{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	receipt, repeated, err := q.roster.Admit(g)
	switch {
	case err != nil || repeated:
		return receipt, err
	case q.full:
		return sluice.Receipt{}, sluice.ErrFull
	}
	if err := q.roster.Fits(g); err != nil {
		return sluice.Receipt{}, err
	}
	defer q.roster.Commit()
	t := q.roster.Take(g, q.micros())
	receipt = q.store(g, parts, letters)
	if t != nil {
		q.countMoves(t)
		receipt.Presence = q.tell(t, g.Presence.Events)
	}
	q.roster.Taken(g, receipt)
	return receipt, nil
}

// store takes in a group that was found good.
func (q *Queue) store(g *sluice.Group, parts [][]sluice.Message, letters []sluice.Message) (r sluice.Receipt) {
	for i, p := range g.Parts {
		f := q.fifo(p.Queue)
		r.Parts = append(r.Parts, q.push(f, parts[i], p.Policy, g.Age))
	}
	for _, d := range g.Drops {
		f := q.fifo(d.Route)
		f.account.Received += int64(d.Count)
		f.drop(d.Cause, d.Count)
	}
	for _, d := range g.Dead {
		q.fifo(d.Route).account.Received++
	}
	r.Dead = q.bury(g.Dead, letters)
	return r
}

// push appends messages, which are that old, to the open batch of f, seals by
// size and counts them as received.
func (q *Queue) push(f *fifo, ms []sluice.Message, p sluice.Policy, age time.Duration) sluice.PartReceipt {
	now := q.now()
	sealed := 0
	for _, m := range ms {
		sealed += f.push(m, p, now.Add(-max(age, 0)))
	}
	if sealed > 0 {
		q.wake(f.name)
	}
	return sluice.PartReceipt{Sealed: sealed, Open: len(f.open), Age: f.openAge(now)}
}

// bury stores dead letters in QueueDead, except those above a quota, and counts
// them for their routes.
func (q *Queue) bury(dead []sluice.DeadLetter, letters []sluice.Message) sluice.PartReceipt {
	var keep []sluice.Message
	for i, d := range dead {
		if !q.withinQuota(d.Device) {
			q.fifo(d.Route).drop(sluice.DropDeadQuota, 1)
			continue
		}
		q.fifo(d.Route).account.Dead++
		keep = append(keep, letters[i])
	}
	if len(dead) == 0 {
		return sluice.PartReceipt{}
	}
	return q.push(q.fifo(sluice.QueueDead), keep, sluice.DeadPolicy(), 0)
}

func (q *Queue) withinQuota(device string) bool {
	if hour := q.now().Truncate(time.Hour); !hour.Equal(q.deadHour) {
		q.deadHour = hour
		clear(q.dead)
	}
	if q.dead[device] >= q.quota {
		return false
	}
	q.dead[device]++
	return true
}

// Seal implements sluice.Queue.
func (q *Queue) Seal(ctx context.Context, queue string, p sluice.Policy) (sluice.SealResult, error) {
	if err := errors.Join(ctx.Err(), checkPolicy(p)); err != nil {
		return sluice.SealResult{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	f, now := q.fifos[queue], q.now()
	if f == nil {
		return sluice.SealResult{}, nil
	}
	if wait, ok := p.Wait(len(f.open), f.openAge(now)); ok && wait <= 0 {
		f.seal()
		q.wake(queue)
		return sluice.SealResult{Sealed: true}, nil
	}
	return sluice.SealResult{Open: len(f.open), Age: f.openAge(now)}, nil
}

// Claim implements sluice.Queue.
func (q *Queue) Claim(ctx context.Context, r sluice.ClaimRequest) (sluice.ClaimResult, error) {
	if err := ctx.Err(); err != nil {
		return sluice.ClaimResult{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	f, now := q.fifos[r.Queue], q.now()
	if f == nil {
		return sluice.ClaimResult{}, nil
	}
	b, wait := f.next(now, r.Concurrency)
	if b == nil {
		return sluice.ClaimResult{Wait: wait}, nil
	}
	b.state, b.due, b.token = StateClaimed, now.Add(r.TTL), rand.Text()
	b.attempt++
	return sluice.ClaimResult{Claim: &sluice.Claim{
		Token: b.token,
		Batch: &sluice.Batch{ID: b.id, Route: f.name, Attempt: b.attempt, Messages: cloneMessages(b.messages), Note: slices.Clone(f.note)},
	}}, nil
}

// Extend implements sluice.Queue.
func (q *Queue) Extend(ctx context.Context, c *sluice.Claim, ttl time.Duration) error {
	return q.withClaim(ctx, c, func(_ *fifo, b *batch) error {
		b.due = q.now().Add(ttl)
		return nil
	})
}

// Complete implements sluice.Queue.
func (q *Queue) Complete(ctx context.Context, c *sluice.Claim, o sluice.Outcome) error {
	letters, err := encodeDead(o.Dead)
	if err != nil {
		return err
	}
	forward, err := decodeParts(o.Forward)
	if err != nil {
		return err
	}
	return q.withClaim(ctx, c, func(f *fifo, b *batch) error {
		n := o.Stored + o.Duplicate + len(o.Dead)
		for _, dropped := range o.Dropped {
			n += dropped
		}
		if n != len(b.messages) {
			return fmt.Errorf("outcome of %d messages for a batch of %d", n, len(b.messages))
		}
		f.remove(b)
		f.account.Stored += int64(o.Stored)
		f.account.Duplicate += int64(o.Duplicate)
		for cause, n := range o.Dropped {
			f.drop(cause, n)
		}
		q.bury(o.Dead, letters)
		for i, p := range o.Forward {
			q.push(q.fifo(p.Queue), forward[i], p.Policy, 0)
		}
		f.halted, f.haltedSince = "", time.Time{}
		if len(f.batches) > 0 {
			q.wake(f.name)
		}
		return nil
	})
}

// Release implements sluice.Queue.
func (q *Queue) Release(ctx context.Context, c *sluice.Claim, r sluice.Retry) error {
	return q.withClaim(ctx, c, func(f *fifo, b *batch) error {
		b.state, b.due, b.token = StateRetry, q.now().Add(r.After), ""
		if r.Halted {
			f.halt(r.Reason, q.now())
		}
		q.wake(f.name)
		return nil
	})
}

// Note implements sluice.Queue.
func (q *Queue) Note(ctx context.Context, c *sluice.Claim, note []byte) error {
	return q.withClaim(ctx, c, func(f *fifo, _ *batch) error {
		f.note = slices.Clone(note)
		return nil
	})
}

// withClaim runs step on the batch of a claim that still holds.
func (q *Queue) withClaim(ctx context.Context, c *sluice.Claim, step func(*fifo, *batch) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if f := q.fifos[c.Batch.Route]; f != nil {
		for _, b := range f.batches {
			if b.id == c.Batch.ID && b.state == StateClaimed && b.token == c.Token {
				return step(f, b)
			}
		}
	}
	return sluice.ErrLost
}

// Resume implements sluice.Queue.
func (q *Queue) Resume(ctx context.Context, queue string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if f := q.fifos[queue]; f != nil {
		for _, b := range f.batches {
			if b.state == StateRetry {
				b.due = q.now()
			}
		}
		q.wake(queue)
	}
	return nil
}

// Status implements sluice.Queue.
func (q *Queue) Status(ctx context.Context, queue string) (sluice.QueueStatus, error) {
	if err := ctx.Err(); err != nil {
		return sluice.QueueStatus{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if f := q.fifos[queue]; f != nil {
		return f.status(q.now()), nil
	}
	return sluice.QueueStatus{Queue: queue}, nil
}

// Queues returns the names of all queues that ever had a message, sorted.
func (q *Queue) Queues() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Sorted(maps.Keys(q.fifos))
}

// Batches returns copies of the batches of a queue in the order in which they
// were sealed, the open one last.
func (q *Queue) Batches(queue string) []BatchState {
	q.mu.Lock()
	defer q.mu.Unlock()
	f := q.fifos[queue]
	if f == nil {
		return nil
	}
	return f.states()
}

func (q *Queue) fifo(name string) *fifo {
	f := q.fifos[name]
	if f == nil {
		f = &fifo{name: name}
		q.fifos[name] = f
	}
	return f
}

// decodeParts checks the parts of a group and returns the messages of each.
func decodeParts(parts []sluice.Part) ([][]sluice.Message, error) {
	seen := map[string]bool{}
	out := make([][]sluice.Message, len(parts))
	for i, p := range parts {
		if seen[p.Queue] {
			return nil, fmt.Errorf("queue %s: two parts in one group", p.Queue)
		}
		seen[p.Queue] = true
		if err := checkPolicy(p.Policy); err != nil {
			return nil, fmt.Errorf("queue %s: %w", p.Queue, err)
		}
		ms, err := sluice.AppendMessages(nil, slices.Clone(p.Frame.Data))
		if err != nil {
			return nil, fmt.Errorf("queue %s: %w", p.Queue, err)
		}
		if n := payloadBytes(ms); len(ms) != p.Frame.Count || n != p.Frame.Bytes {
			return nil, fmt.Errorf("queue %s: frame says %d messages, %d bytes; has %d, %d", p.Queue, p.Frame.Count, p.Frame.Bytes, len(ms), n)
		}
		out[i] = ms
	}
	return out, nil
}

// encodeDead returns dead letters as messages of QueueDead.
func encodeDead(dead []sluice.DeadLetter) ([]sluice.Message, error) {
	out := make([]sluice.Message, len(dead))
	for i, d := range dead {
		payload, err := json.Marshal(d)
		if err != nil {
			return nil, fmt.Errorf("dead letter of %s: %w", d.Route, err)
		}
		out[i] = sluice.Message{Topic: d.Topic, Payload: payload, Received: d.At}
	}
	return out, nil
}

func checkPolicy(p sluice.Policy) error {
	if p != p.Resolve() {
		return errors.New("policy is not resolved")
	}
	return nil
}

func payloadBytes(ms []sluice.Message) (n int64) {
	for _, m := range ms {
		n += int64(len(m.Payload))
	}
	return n
}

func cloneMessages(ms []sluice.Message) []sluice.Message {
	out := slices.Clone(ms)
	for i := range out {
		out[i].Payload = slices.Clone(out[i].Payload)
	}
	return out
}
