// Package queuetest has what tests of a sluice.Queue share beyond the suites of package
// sluicetest: a session that appends, short ways to claim and to complete, and a model of
// how messages are cut into batches.
package queuetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice"
)

// Door is the queue of most tests.
const Door = "data/door"

// BySize seals by size only.
func BySize(max int, maxBytes int64) sluice.Policy {
	return sluice.Policy{Max: max, MaxBytes: maxBytes, Timeout: sluice.Never}.Resolve()
}

// Session appends groups to a queue under one lease. Its methods are for the test's own
// goroutine.
type Session struct {
	T      testing.TB
	Q      sluice.Queue
	Lease  sluice.Lease
	Number uint64 // of the last group
}

// NewSession takes a lease for an hour.
func NewSession(t testing.TB, q sluice.Queue) *Session {
	t.Helper()
	l, err := q.Lease(t.Context(), "s", "a", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return &Session{T: t, Q: q, Lease: l}
}

// Group returns the next group, with one part for Door if there are payloads.
func (s *Session) Group(p sluice.Policy, payloads ...string) *sluice.Group {
	s.Number++
	g := &sluice.Group{Lease: s.Lease, Number: s.Number, Remember: 100}
	part := sluice.Part{Queue: Door, Policy: p}
	for _, payload := range payloads {
		part.Frame.Append([]byte(Door), []byte(payload), 1)
	}
	if len(payloads) > 0 {
		g.Parts = append(g.Parts, part)
	}
	return g
}

// Append appends a group, which must succeed.
func (s *Session) Append(g *sluice.Group) sluice.Receipt {
	s.T.Helper()
	r, err := s.Q.Append(s.T.Context(), g)
	if err != nil {
		s.T.Fatal(err)
	}
	return r
}

// Fill appends batches of ten until the queue is full, and returns the group that was
// refused.
func (s *Session) Fill() *sluice.Group {
	s.T.Helper()
	for {
		g := s.Group(BySize(10, sluice.Never), Numbered(int(s.Number)*20, 20, 1000)...)
		_, err := s.Q.Append(s.T.Context(), g)
		if errors.Is(err, sluice.ErrFull) {
			return g
		}
		if err != nil {
			s.T.Fatal(err)
		}
	}
}

// Clients adds clients of a front door to g, each with its share of the packet ids of
// size messages. The session's queue must be a sluice.ClientStore.
func (s *Session) Clients(g *sluice.Group, size, clients int) {
	s.T.Helper()
	for i := range clients {
		name := fmt.Sprintf("greenhouse-%04d", i)
		c, err := s.Q.(sluice.ClientStore).Connect(s.T.Context(), s.Lease, sluice.ConnectRequest{
			Client: name, Expiry: time.Hour, Will: &sluice.ClientWill{Device: name, Delay: 1e6},
		})
		if err != nil {
			s.T.Fatal(err)
		}
		one := sluice.GroupClient{Client: name, Connection: c.Connection}
		for p := range size / clients {
			one.Delivered = append(one.Delivered, sluice.Delivered{PacketID: uint16(p), Hash: uint64(i * p)})
		}
		g.Clients = append(g.Clients, one)
	}
}

// Claim claims the next batch of a queue; nil when there is none.
func Claim(t testing.TB, q sluice.Queue, queue string) *sluice.Claim {
	t.Helper()
	got, err := q.Claim(t.Context(), sluice.ClaimRequest{Queue: queue, Concurrency: 1, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return got.Claim
}

// Complete completes a claim with everything stored.
func Complete(t testing.TB, q sluice.Queue, c *sluice.Claim) {
	t.Helper()
	if err := q.Complete(t.Context(), c, sluice.Outcome{Stored: len(c.Batch.Messages)}); err != nil {
		t.Fatal(err)
	}
}

// Drain claims and completes everything sealed and returns the payloads batch by batch.
func Drain(t testing.TB, q sluice.Queue, queue string) (batches [][]string) {
	t.Helper()
	for c := Claim(t, q, queue); c != nil; c = Claim(t, q, queue) {
		batches = append(batches, Payloads(c.Batch))
		Complete(t, q, c)
	}
	return batches
}

// Payloads are those of the messages of a batch.
func Payloads(b *sluice.Batch) []string {
	out := make([]string, len(b.Messages))
	for i, m := range b.Messages {
		out[i] = string(m.Payload)
	}
	return out
}

// Status reads a queue, whose account must balance.
func Status(t testing.TB, q sluice.Queue, queue string) sluice.QueueStatus {
	t.Helper()
	s, err := q.Status(t.Context(), queue)
	if err != nil {
		t.Fatal(err)
	}
	if s.Balance() != 0 {
		t.Fatalf("account of %s is off by %d: %+v", queue, s.Balance(), s)
	}
	return s
}

// Letter makes a dead letter of message i of a claim.
func Letter(c *sluice.Claim, i int, device string) sluice.DeadLetter {
	m := c.Batch.Messages[i]
	return sluice.DeadLetter{
		Batch: c.Batch.ID, Index: i, Route: c.Batch.Route, Device: device,
		Topic: m.Topic, Payload: m.Payload, Received: m.Received, Reason: sluice.ReasonDecode,
	}
}

// Numbered returns n payloads of size bytes that begin with their number, from first on.
func Numbered(first, n, size int) []string {
	out := make([]string, n)
	for i := range out {
		name := fmt.Sprintf("m%d ", first+i)
		out[i] = name + strings.Repeat("x", max(0, size-len(name)))
	}
	return out
}
