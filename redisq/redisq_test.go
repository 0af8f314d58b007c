package redisq_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"sluice"
	"sluice/internal/testenv"
	"sluice/redisq"
	"sluice/sluicetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestQueue_Conformance(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	sluicetest.TestQueue(t, func(t *testing.T, o sluicetest.QueueOptions) sluice.Queue {
		return open(t, server, redisq.Config{DeadPerDevice: o.DeadPerDevice})
	})
}

// facilities makes each test's queue its own in a Redis that tests share.
var facilities atomic.Int64

// open opens a queue of a new facility on the server.
func open(t testing.TB, s *testenv.Server, c redisq.Config) *redisq.Queue {
	t.Helper()
	c.URL = s.URL()
	if c.Facility == "" {
		c.Facility = fmt.Sprintf("plant-%d", facilities.Add(1))
	}
	q, err := redisq.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	return q
}

// connect returns a client of the test's own, to look behind the queue.
func connect(t testing.TB, s *testenv.Server) rueidis.Client {
	t.Helper()
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.Addr()}, ForceSingleClient: true, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// do sends a command to Redis itself.
func do(t testing.TB, c rueidis.Client, words ...string) rueidis.RedisResult {
	t.Helper()
	r := c.Do(context.Background(), c.B().Arbitrary(words...).Build())
	if err := r.Error(); err != nil && !rueidis.IsRedisNil(err) {
		t.Fatalf("%s: %v", words[0], err)
	}
	return r
}

// door is the queue of most tests.
const door = "data/door"

// bySize seals by size only.
func bySize(max int, maxBytes int64) sluice.Policy {
	return sluice.Policy{Max: max, MaxBytes: maxBytes, Timeout: sluice.Never}.Resolve()
}

// session appends groups to a queue under one lease.
type session struct {
	t      testing.TB
	q      *redisq.Queue
	lease  sluice.Lease
	number uint64
}

func newSession(t testing.TB, q *redisq.Queue) *session {
	t.Helper()
	l, err := q.Lease(t.Context(), "s", "a", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return &session{t: t, q: q, lease: l}
}

// group returns the next group, with one part for door.
func (s *session) group(p sluice.Policy, payloads ...string) *sluice.Group {
	s.number++
	g := &sluice.Group{Lease: s.lease, Number: s.number, Remember: 100}
	part := sluice.Part{Queue: door, Policy: p}
	for _, payload := range payloads {
		part.Frame.Append([]byte(door), []byte(payload), 1)
	}
	if len(payloads) > 0 {
		g.Parts = append(g.Parts, part)
	}
	return g
}

func (s *session) append(g *sluice.Group) sluice.Receipt {
	s.t.Helper()
	r, err := s.q.Append(s.t.Context(), g)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// claim claims the next batch of a queue; nil when there is none.
func claim(t testing.TB, q *redisq.Queue, queue string) *sluice.Claim {
	t.Helper()
	got, err := q.Claim(t.Context(), sluice.ClaimRequest{Queue: queue, Concurrency: 1, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return got.Claim
}

// complete completes a claim with everything stored.
func complete(t testing.TB, q *redisq.Queue, c *sluice.Claim) {
	t.Helper()
	if err := q.Complete(t.Context(), c, sluice.Outcome{Stored: len(c.Batch.Messages)}); err != nil {
		t.Fatal(err)
	}
}

// drain claims and completes everything sealed and returns the payloads batch by
// batch.
func drain(t testing.TB, q *redisq.Queue, queue string) (batches [][]string) {
	t.Helper()
	for c := claim(t, q, queue); c != nil; c = claim(t, q, queue) {
		batches = append(batches, payloads(c.Batch))
		complete(t, q, c)
	}
	return batches
}

func payloads(b *sluice.Batch) []string {
	out := make([]string, len(b.Messages))
	for i, m := range b.Messages {
		out[i] = string(m.Payload)
	}
	return out
}

// status reads a queue, whose account must balance.
func status(t testing.TB, q *redisq.Queue, queue string) sluice.QueueStatus {
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

// numbered returns n payloads of size bytes that begin with their number.
func numbered(first, n, size int) []string {
	out := make([]string, n)
	for i := range out {
		name := fmt.Sprintf("m%d ", first+i)
		out[i] = name + strings.Repeat("x", max(0, size-len(name)))
	}
	return out
}
