package sluicetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sluice"
)

// QueueOptions are what the suite asks of a queue when it opens one.
type QueueOptions struct {
	// DeadPerDevice is how many dead letters of one device the queue keeps per
	// hour; 0: the implementation's default, at least 1000.
	DeadPerDevice int
}

// TestQueue is the conformance suite of sluice.Queue: a subtest per promise of
// its comments. open returns an empty queue that shares nothing with the others
// it returned, and closes it with t.Cleanup; it is called from parallel tests.
//
// The suite measures time by the queue's own clock and takes a few seconds. It
// does not test ErrFull, which a store gives in a way of its own.
func TestQueue(t *testing.T, open func(t *testing.T, o QueueOptions) sluice.Queue) {
	for _, group := range [][]queueTest{leaseTests, appendTests, sealTests, claimTests, haltTests, accountTests, forwardTests, watchTests, faultTests} {
		for _, test := range group {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				test.run(&rig{T: t, ctx: ctx, q: open(t, test.options)})
			})
		}
	}
}

type queueTest struct {
	name    string
	run     func(r *rig)
	options QueueOptions
}

// rig is what a test of the suite works with: a queue, and a lease on session
// "s" once something was appended.
type rig struct {
	*testing.T
	ctx    context.Context
	q      sluice.Queue
	lease  sluice.Lease
	number uint64 // of the last group
}

// door is the queue of tests that need only one.
const door = "data/door"

// long is a time that does not pass during a test.
const long = time.Hour

// by returns a policy that seals by size only.
func by(max int, maxBytes int64) sluice.Policy {
	return sluice.Policy{Max: max, MaxBytes: maxBytes, Timeout: sluice.Never}.Resolve()
}

// part returns messages of a queue with the given payloads.
func part(queue string, p sluice.Policy, payloads ...string) sluice.Part {
	out := sluice.Part{Queue: queue, Policy: p}
	for i, payload := range payloads {
		out.Frame.Append([]byte(queue), []byte(payload), int64(i))
	}
	return out
}

// numbered returns n different payloads from m<first> on.
func numbered(first, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("m%d", first+i)
	}
	return out
}

func (r *rig) ok(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// is fails the test unless errors.Is(err, want).
func (r *rig) is(what string, err, want error) {
	r.Helper()
	if !errors.Is(err, want) {
		r.Fatalf("%s: got error %v, want %v", what, err, want)
	}
}

// hold takes the rig's lease if it has none.
func (r *rig) hold() {
	r.Helper()
	if r.lease.Token == "" {
		l, err := r.q.Lease(r.ctx, "s", "a", long)
		r.ok(err)
		r.lease = l
	}
}

// group returns the next group of the rig's lease with parts.
func (r *rig) group(parts ...sluice.Part) *sluice.Group {
	r.Helper()
	r.hold()
	r.number++
	return &sluice.Group{Lease: r.lease, Number: r.number, Parts: parts, Remember: 100}
}

// append appends parts as one group.
func (r *rig) append(parts ...sluice.Part) sluice.Receipt {
	r.Helper()
	return r.appendGroup(r.group(parts...))
}

func (r *rig) appendGroup(g *sluice.Group) sluice.Receipt {
	r.Helper()
	receipt, err := r.q.Append(r.ctx, g)
	r.ok(err)
	if len(receipt.Parts) != len(g.Parts) {
		r.Fatalf("receipt of %d parts for a group of %d", len(receipt.Parts), len(g.Parts))
	}
	for _, p := range g.Parts {
		r.balanced(p.Queue)
	}
	return receipt
}

// batches appends one sealed batch per list of payloads to door.
func (r *rig) batches(lists ...[]string) {
	r.Helper()
	for _, payloads := range lists {
		r.append(part(door, by(len(payloads), sluice.Never), payloads...))
	}
}

// tryClaim claims for a long time.
func (r *rig) tryClaim(queue string, concurrency int) sluice.ClaimResult {
	r.Helper()
	return r.claimFor(queue, concurrency, long)
}

func (r *rig) claimFor(queue string, concurrency int, ttl time.Duration) sluice.ClaimResult {
	r.Helper()
	got, err := r.q.Claim(r.ctx, sluice.ClaimRequest{Queue: queue, Concurrency: concurrency, TTL: ttl})
	r.ok(err)
	r.balanced(queue)
	return got
}

// claim claims a batch that must be there, at concurrency 1.
func (r *rig) claim(queue string) *sluice.Claim {
	r.Helper()
	return r.mustClaim(queue, 1, long)
}

func (r *rig) mustClaim(queue string, concurrency int, ttl time.Duration) *sluice.Claim {
	r.Helper()
	c := r.claimFor(queue, concurrency, ttl).Claim
	if c == nil {
		r.Fatalf("%s: no batch to claim", queue)
	}
	return c
}

// none checks that nothing can be claimed and returns the wait.
func (r *rig) none(queue string, concurrency int) time.Duration {
	r.Helper()
	got := r.tryClaim(queue, concurrency)
	if got.Claim != nil {
		r.Fatalf("%s: claimed %q, want nothing to claim", queue, payloads(got.Claim))
	}
	return got.Wait
}

// complete completes a claim with everything stored.
func (r *rig) complete(c *sluice.Claim) {
	r.Helper()
	r.completeWith(c, sluice.Outcome{Stored: len(c.Batch.Messages)})
}

func (r *rig) completeWith(c *sluice.Claim, o sluice.Outcome) {
	r.Helper()
	r.ok(r.q.Complete(r.ctx, c, o))
	r.balanced(c.Batch.Route)
	r.balanced(sluice.QueueDead)
}

func (r *rig) release(c *sluice.Claim, retry sluice.Retry) {
	r.Helper()
	r.ok(r.q.Release(r.ctx, c, retry))
	r.balanced(c.Batch.Route)
}

// drain claims and completes everything sealed and returns the payloads batch by
// batch.
func (r *rig) drain(queue string) (out [][]string) {
	r.Helper()
	for {
		c := r.tryClaim(queue, 1).Claim
		if c == nil {
			return out
		}
		out = append(out, payloads(c))
		r.complete(c)
	}
}

func (r *rig) status(queue string) sluice.QueueStatus {
	r.Helper()
	s, err := r.q.Status(r.ctx, queue)
	r.ok(err)
	return s
}

// balanced checks that the account of a queue balances.
func (r *rig) balanced(queue string) {
	r.Helper()
	if s := r.status(queue); s.Balance() != 0 {
		r.Fatalf("account of %s is off by %d: %+v", queue, s.Balance(), s)
	}
}

// lost checks that a claim has ended for every method.
func (r *rig) lost(c *sluice.Claim) {
	r.Helper()
	before := r.status(c.Batch.Route)
	r.is("Extend", r.q.Extend(r.ctx, c, long), sluice.ErrLost)
	r.is("Complete", r.q.Complete(r.ctx, c, sluice.Outcome{Stored: len(c.Batch.Messages)}), sluice.ErrLost)
	r.is("Release", r.q.Release(r.ctx, c, sluice.Retry{}), sluice.ErrLost)
	r.is("Note", r.q.Note(r.ctx, c, []byte("late")), sluice.ErrLost)
	after := r.status(c.Batch.Route)
	before.OldestAge, after.OldestAge = 0, 0
	same(r, "status after a lost claim was used", after, before)
}

// pass returns when the queue's clock has advanced by d: it waits for a lease of
// that length, taken now, to expire.
func (r *rig) pass(d time.Duration) {
	r.Helper()
	session := "canary " + sluice.NewBatchID().String()
	_, err := r.q.Lease(r.ctx, session, "a", d)
	r.ok(err)
	r.eventually("a lease to expire", func() bool {
		_, err := r.q.Lease(r.ctx, session, "b", d)
		if err != nil {
			r.is("Lease", err, sluice.ErrHeld)
		}
		return err == nil
	})
}

// eventually polls until done, which must come true.
func (r *rig) eventually(what string, done func() bool) {
	r.Helper()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for !done() {
		select {
		case <-poll.C:
		case <-r.ctx.Done():
			r.Fatalf("waited in vain for %s", what)
		}
	}
}

func payloads(c *sluice.Claim) []string {
	out := make([]string, len(c.Batch.Messages))
	for i, m := range c.Batch.Messages {
		out[i] = string(m.Payload)
	}
	return out
}

// wholeBytes compares byte slices at once, which cmp does byte by byte.
var wholeBytes = cmp.FilterValues(func(x, y []byte) bool { return len(x)+len(y) > 0 }, cmp.Comparer(bytes.Equal))

// same compares; nil and empty are equal.
func same(r *rig, what string, got, want any) {
	r.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), wholeBytes); diff != "" {
		r.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}
