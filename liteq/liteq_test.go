package liteq_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"sluice"
	"sluice/internal/litefile"
	"sluice/liteq"
	"sluice/sluicetest"
)

func TestMain(m *testing.M) {
	if crashes() {
		return
	}
	goleak.VerifyTestMain(m)
}

func TestQueue_Conformance(t *testing.T) {
	t.Parallel()
	sluicetest.TestQueue(t, func(t *testing.T, o sluicetest.QueueOptions) sluice.Queue {
		return open(t, liteq.Config{DeadPerDevice: o.DeadPerDevice})
	})
}

func TestDevices_Conformance(t *testing.T) {
	t.Parallel()
	sluicetest.TestDevices(t, func(t *testing.T, o sluicetest.QueueOptions) sluicetest.Store {
		return open(t, liteq.Config{DeadPerDevice: o.DeadPerDevice})
	})
}

func TestClients_Conformance(t *testing.T) {
	t.Parallel()
	sluicetest.TestClients(t, func(t *testing.T, _ sluicetest.QueueOptions) sluicetest.Store {
		return open(t, liteq.Config{})
	})
}

// The file and the memory stay equal over random histories of devices.
func TestDevices_DoWhatTheReferenceDoes(t *testing.T) {
	t.Parallel()
	histories := 60
	if testing.Short() {
		histories = 10
	}
	for seed := range histories {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			sluicetest.CompareDevices(t, sluicetest.NewQueue(), open(t, liteq.Config{}), uint64(seed))
		})
	}
}

// open opens a queue in a file of its own. At the end of the test the file must hold
// what the memory does.
func open(t testing.TB, c liteq.Config) *liteq.Queue {
	t.Helper()
	f := openFile(t, filepath.Join(t.TempDir(), "sluice.db"))
	t.Cleanup(func() { closeFile(t, f) })
	q := openQueue(t, f, c)
	t.Cleanup(func() {
		before := liteq.Dump(q)
		closeQueue(t, q)
		q = openQueueIn(context.Background(), t, f, c)
		compare(t, before, q)
		closeQueue(t, q)
	})
	return q
}

// compare checks that a queue has in memory what is said, and that the file fits it.
func compare(t testing.TB, want map[string]string, q *liteq.Queue) {
	t.Helper()
	if diff := cmp.Diff(want, liteq.Dump(q)); diff != "" {
		t.Errorf("memory (-before +after):\n%s", diff)
	}
	if err := liteq.Audit(q); err != nil {
		t.Error(err)
	}
}

func openFile(t testing.TB, path string) *litefile.File {
	t.Helper()
	f, err := litefile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func closeFile(t testing.TB, f *litefile.File) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func openQueue(t testing.TB, f *litefile.File, c liteq.Config) *liteq.Queue {
	t.Helper()
	return openQueueIn(t.Context(), t, f, c)
}

// openQueueIn is for cleanups, in which the test's context has ended.
func openQueueIn(ctx context.Context, t testing.TB, f *litefile.File, c liteq.Config) *liteq.Queue {
	t.Helper()
	q, err := liteq.Open(ctx, f, c)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func closeQueue(t testing.TB, q *liteq.Queue) {
	t.Helper()
	if err := q.Close(); err != nil {
		t.Error(err)
	}
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
	q      *liteq.Queue
	lease  sluice.Lease
	number uint64
}

func newSession(t testing.TB, q *liteq.Queue) *session {
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
func claim(t testing.TB, q *liteq.Queue, queue string) *sluice.Claim {
	t.Helper()
	got, err := q.Claim(t.Context(), sluice.ClaimRequest{Queue: queue, Concurrency: 1, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return got.Claim
}

// complete completes a claim with everything stored.
func complete(t testing.TB, q *liteq.Queue, c *sluice.Claim) {
	t.Helper()
	if err := q.Complete(t.Context(), c, sluice.Outcome{Stored: len(c.Batch.Messages)}); err != nil {
		t.Fatal(err)
	}
}

// drain claims and completes everything sealed and returns the payloads batch by
// batch.
func drain(t testing.TB, q *liteq.Queue, queue string) (batches [][]string) {
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
func status(t testing.TB, q *liteq.Queue, queue string) sluice.QueueStatus {
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
