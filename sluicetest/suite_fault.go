package sluicetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"sluice"
)

var faultTests = []queueTest{
	{name: "Faults_DeathAtAnyCall_LosesAndDoublesNothing", run: func(r *rig) { testOneFault(r, true) }},
	{name: "Faults_RepeatOfAnyCall_LosesAndDoublesNothing", run: func(r *rig) { testOneFault(r, false) }},
	{name: "Faults_AtRandom_LoseAndDoubleNothing", run: testRandomFaults},
}

// testOneFault runs a small world over and over and makes one call of it fail,
// first the first call, then the second, and so on to the last: before its
// effect and after it. The caller then dies or repeats the call.
func testOneFault(r *rig, dies bool) {
	for _, fate := range []Fate{Refuse, Lose} {
		for failing, calls := 1, 1; failing <= calls; failing++ {
			calls = 0
			w := newWorld(r, fmt.Sprint("world", fate, failing), 11, func(string) Fate {
				if calls++; calls == failing {
					return fate
				}
				return Pass
			})
			w.dies = func() bool { return dies }
			r.eventually("the world to end", func() bool {
				w.ingest()
				for _, queue := range w.queues() {
					w.seal(queue)
					for w.work(queue) {
					}
				}
				return w.done()
			})
			w.check()
			if r.Failed() {
				r.Fatalf("failing call: %d, fate: %d", failing, fate)
			}
		}
	}
}

// testRandomFaults runs a world of many goroutines in which every third call
// fails.
func testRandomFaults(r *rig) {
	w := newWorld(r, "world", 400, func(string) Fate {
		switch rand.IntN(6) {
		case 0:
			return Refuse
		case 1:
			return Lose
		}
		return Pass
	})
	w.dies = func() bool { return rand.IntN(3) == 0 }
	var ended atomic.Bool
	var wg sync.WaitGroup
	loop := func(step func() bool) {
		wg.Go(func() {
			poll := time.NewTicker(time.Millisecond)
			defer poll.Stop()
			for !ended.Load() && r.ctx.Err() == nil {
				if !step() {
					<-poll.C
				}
			}
		})
	}
	loop(func() bool { w.ingest(); return false })
	for _, queue := range w.queues() {
		loop(func() bool { w.seal(queue); return false })
		for range 2 {
			loop(func() bool { return w.work(queue) })
		}
	}
	r.eventually("the world to end", w.done)
	ended.Store(true)
	wg.Wait()
	w.check()
}

// world is everything around a queue: a broker, which holds messages until they
// are acknowledged, an ingest process and workers, which die. The messages are
// numbers. What each one must end as depends on the number alone:
//
//	n % 10 == 9  refused at the door, a dead letter
//	n % 7 == 3   a dead letter of its handler
//	else         stored
type world struct {
	r      *rig
	q      *FaultyQueue // over tally over the queue under test
	name   string
	n      int
	dies   func() bool // whether the caller of a failed call dies
	policy sluice.Policy

	lives     atomic.Int64 // of ingest: each has a holder name of its own
	zombie    *sluice.Group
	mu        sync.Mutex
	pending   []int // not acknowledged; only ingest writes
	batches   map[sluice.BatchID][]sluice.Message
	completed map[sluice.BatchID]int
}

// tally counts what truly happened, below the faults.
type tally struct {
	sluice.Queue
	completed func(sluice.BatchID)
}

func (t tally) Complete(ctx context.Context, c *sluice.Claim, o sluice.Outcome) error {
	err := t.Queue.Complete(ctx, c, o)
	if err == nil {
		t.completed(c.Batch.ID)
	}
	return err
}

func newWorld(r *rig, name string, n int, plan Plan) *world {
	w := &world{
		r: r, name: name, n: n,
		policy:  sluice.Policy{Max: 3, Timeout: time.Millisecond}.Resolve(),
		batches: map[sluice.BatchID][]sluice.Message{}, completed: map[sluice.BatchID]int{},
	}
	for i := range n {
		w.pending = append(w.pending, i)
	}
	w.q = Faulty(tally{r.q, func(id sluice.BatchID) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.completed[id]++
	}}, plan)
	return w
}

// queues returns the two routes, between which the messages alternate, and the
// dead letters'.
func (w *world) queues() []string { return []string{w.route(0), w.route(1), sluice.QueueDead} }

func (w *world) route(n int) string { return fmt.Sprintf("%s/%d", w.name, n%2) }

// ttl is short: what a dead process held is soon free.
const ttl = 3 * time.Millisecond

// ingest lives once: it takes the lease and appends what is pending, until it
// dies or is done.
func (w *world) ingest() {
	if len(w.pending) == 0 {
		return
	}
	holder := fmt.Sprint("life", w.lives.Add(1))
	l, err := w.q.Lease(w.r.ctx, w.name, holder, ttl)
	if err != nil {
		return
	}
	if w.zombie != nil {
		if _, err := w.r.q.Append(w.r.ctx, w.zombie); !errors.Is(err, sluice.ErrFenced) {
			w.r.Errorf("append of an earlier life: got error %v, want ErrFenced", err)
		}
	}
	known := map[uint64]bool{}
	for _, d := range l.Delivered {
		known[d.Hash] = true
	}
	for number := uint64(1); len(w.pending) > 0; number++ {
		n := min(len(w.pending), 1+rand.IntN(8))
		g := w.group(l, number, w.pending[:n], known)
		w.zombie = g
		if !w.append(g) {
			return
		}
		w.mu.Lock()
		w.pending = w.pending[n:]
		w.mu.Unlock()
		if err := w.q.Renew(w.r.ctx, l, ttl); err != nil && w.dies() {
			return
		}
	}
	_ = w.q.Unlease(w.r.ctx, l) // else the lease runs out
}

func (w *world) group(l sluice.Lease, number uint64, messages []int, known map[uint64]bool) *sluice.Group {
	g := &sluice.Group{Lease: l, Number: number, Remember: 20}
	parts := [2]sluice.Part{{Queue: w.route(0), Policy: w.policy}, {Queue: w.route(1), Policy: w.policy}}
	for _, n := range messages {
		payload := strconv.AppendInt(nil, int64(n), 10)
		if known[uint64(n)] {
			g.Drops = append(g.Drops, sluice.Drop{Route: w.route(n), Cause: sluice.DropRedelivery, Count: 1})
			continue
		}
		g.Delivered = append(g.Delivered, sluice.Delivered{PacketID: uint16(n), Hash: uint64(n)})
		if n%10 == 9 {
			g.Dead = append(g.Dead, sluice.DeadLetter{Route: w.route(n), Device: w.name, Topic: w.name, Payload: payload})
			continue
		}
		parts[n%2].Frame.Append([]byte(w.name), payload, 0)
	}
	for _, p := range parts {
		if p.Frame.Count > 0 {
			g.Parts = append(g.Parts, p)
		}
	}
	return g
}

// append appends a group unless the caller dies of it.
func (w *world) append(g *sluice.Group) bool {
	for w.r.ctx.Err() == nil {
		_, err := w.q.Append(w.r.ctx, g)
		switch {
		case err == nil:
			return true
		case !errors.Is(err, ErrFault):
			w.r.Errorf("Append: %v", err)
			return false
		case w.dies():
			return false
		}
	}
	return false
}

func (w *world) seal(queue string) {
	if _, err := w.q.Seal(w.r.ctx, queue, w.policy); err != nil && !errors.Is(err, ErrFault) {
		w.r.Errorf("Seal: %v", err)
	}
}

// work is the life of a worker for one batch; false when there was none.
func (w *world) work(queue string) bool {
	got, err := w.q.Claim(w.r.ctx, sluice.ClaimRequest{Queue: queue, Concurrency: 2, TTL: ttl})
	if err != nil || got.Claim == nil {
		return false
	}
	c := got.Claim
	w.note(c.Batch)
	if err := w.q.Extend(w.r.ctx, c, ttl); err != nil && w.dies() {
		return true
	}
	if c.Batch.Attempt == 1 && c.Batch.ID[0]%4 == 0 { // fails at first
		_ = w.q.Release(w.r.ctx, c, sluice.Retry{After: long, Halted: c.Batch.ID[0]%8 == 0})
	} else {
		w.complete(c)
	}
	if err := w.q.Resume(w.r.ctx, queue); err != nil { // a retry is an hour away
		_ = w.r.q.Resume(w.r.ctx, queue) // if not this time, then the next
	}
	return true
}

func (w *world) complete(c *sluice.Claim) {
	for w.r.ctx.Err() == nil {
		err := w.q.Complete(w.r.ctx, c, outcome(c.Batch))
		switch {
		case err == nil, errors.Is(err, sluice.ErrLost):
			return
		case !errors.Is(err, ErrFault):
			w.r.Errorf("Complete: %v", err)
			return
		case w.dies():
			return
		}
	}
}

// outcome is what the world's handlers make of a batch.
func outcome(b *sluice.Batch) (o sluice.Outcome) {
	for i, m := range b.Messages {
		if n, _ := strconv.Atoi(string(m.Payload)); b.Route != sluice.QueueDead && n%7 == 3 {
			o.Dead = append(o.Dead, sluice.DeadLetter{Batch: b.ID, Index: i, Route: b.Route, Device: b.Route, Topic: m.Topic, Payload: m.Payload})
			continue
		}
		o.Stored++
	}
	return o
}

// note checks that a batch is what it was at an earlier attempt.
func (w *world) note(b *sluice.Batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before, seen := w.batches[b.ID]
	w.batches[b.ID] = b.Messages
	if seen && fmt.Sprint(before) != fmt.Sprint(b.Messages) {
		w.r.Errorf("batch %v changed between two attempts:\n%v\n%v", b.ID, before, b.Messages)
	}
}

// done tells whether nothing is left in the broker or in the queue.
func (w *world) done() bool {
	w.mu.Lock()
	left := int64(len(w.pending))
	w.mu.Unlock()
	for _, queue := range w.queues() {
		s := w.r.status(queue)
		if s.Balance() != 0 {
			w.r.Errorf("account of %s is off by %d: %+v", queue, s.Balance(), s)
		}
		left += s.Queued()
	}
	return left == 0
}

// check compares what became of each message with what must have.
func (w *world) check() {
	ends := make([][]string, w.n)
	end := func(payload []byte, what string) {
		n, err := strconv.Atoi(string(payload))
		w.r.ok(err)
		ends[n] = append(ends[n], what)
	}
	for id, messages := range w.batches {
		if w.completed[id] != 1 {
			w.r.Errorf("batch %v was completed %d times", id, w.completed[id])
		}
		for _, m := range messages {
			var d sluice.DeadLetter
			n, err := strconv.Atoi(string(m.Payload))
			switch {
			case err != nil: // of QueueDead
				w.r.ok(json.Unmarshal(m.Payload, &d))
				end(d.Payload, "dead")
			case n%7 != 3:
				end(m.Payload, "stored")
			}
		}
	}
	want := make([][]string, w.n)
	dead := int64(0)
	for n := range want {
		want[n] = []string{"stored"}
		if n%10 == 9 || n%7 == 3 {
			want[n] = []string{"dead"}
			dead++
		}
	}
	same(w.r, "ends of the messages", ends, want)
	a, b := w.r.status(w.route(0)).Account, w.r.status(w.route(1)).Account
	if a.Dead+b.Dead != dead || a.Stored+b.Stored != int64(w.n)-dead {
		w.r.Errorf("accounts %+v and %+v, want %d dead of %d together", a, b, dead, w.n)
	}
}
