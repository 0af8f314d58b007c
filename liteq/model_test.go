package liteq_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice"
	"sluice/internal/litefile"
	"sluice/internal/queuetest"
	"sluice/liteq"
)

// Messages are appended under changing policies, claimed, tried again and completed in
// any order, the file is closed and opened and steps fail, all at random. The batches
// are those of a queue that takes one message after the other, every message is in one
// batch, and the file holds what the memory does.
func TestQueue_AtRandom_IsWhatAModelIs(t *testing.T) {
	t.Parallel()
	dir, n := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		m := &machine{rt: rt, path: filepath.Join(dir, fmt.Sprint(n, ".db")), t: t}
		m.open()
		defer func() { _ = errors.Join(m.q.Close(), m.file.Close()) }() // also of one that failed half-way
		rt.Repeat(map[string]func(*rapid.T){
			"append": m.append, "claim": m.claim, "finish": m.finish, "seal": m.seal, "reopen": m.reopen, "full": m.full,
		})
		m.check()
	})
}

// machine is a queue beside its model.
type machine struct {
	rt      *rapid.T
	t       *testing.T
	path    string
	file    *litefile.File
	q       *liteq.Queue
	s       *queuetest.Session
	model   queuetest.Model
	claims  []*sluice.Claim
	handled [][]string
	ids     []sluice.BatchID
}

func (m *machine) ok(err error) {
	if err != nil {
		m.rt.Fatal(err)
	}
}

func (m *machine) open() {
	var err error
	m.file, err = litefile.Open(m.path)
	m.ok(err)
	m.q, err = liteq.Open(m.t.Context(), m.file, liteq.Config{})
	m.ok(err)
	m.s = queuetest.NewSession(m.t, m.q)
}

func (m *machine) close() {
	m.ok(m.q.Close())
	m.ok(m.file.Close())
}

func (m *machine) append(rt *rapid.T) { m.model.Append(rt, m.s, 1) }

func (m *machine) seal(rt *rapid.T) {
	got, err := m.q.Seal(m.t.Context(), queuetest.Door, sluice.Policy{Timeout: time.Microsecond, Max: sluice.Never}.Resolve())
	m.ok(err)
	if got.Sealed {
		m.model.Seal()
	} else if len(m.model.Open) > 0 && got.Open != len(m.model.Open) {
		rt.Fatalf("%d open, want %d", got.Open, len(m.model.Open))
	}
}

func (m *machine) claim(*rapid.T) {
	got, err := m.q.Claim(m.t.Context(), sluice.ClaimRequest{Queue: queuetest.Door, Concurrency: 4, TTL: time.Hour})
	m.ok(err)
	if got.Claim == nil {
		return
	}
	m.claims = append(m.claims, got.Claim)
	if got.Claim.Batch.Attempt == 1 {
		m.ids = append(m.ids, got.Claim.Batch.ID)
		m.handled = append(m.handled, queuetest.Payloads(got.Claim.Batch))
		return
	}
	at := slices.Index(m.ids, got.Claim.Batch.ID)
	if diff := cmp.Diff(m.handled[at], queuetest.Payloads(got.Claim.Batch)); diff != "" {
		m.rt.Fatalf("batch changed (-first +later):\n%s", diff)
	}
}

// finish ends any claim.
func (m *machine) finish(rt *rapid.T) {
	if len(m.claims) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.claims)-1).Draw(rt, "claim")
	c := m.claims[i]
	m.claims = slices.Delete(m.claims, i, i+1)
	n := len(c.Batch.Messages)
	switch rapid.IntRange(0, 2).Draw(rt, "how") {
	case 0:
		m.ok(m.q.Release(m.t.Context(), c, sluice.Retry{}))
	case 1:
		m.ok(m.q.Complete(m.t.Context(), c, sluice.Outcome{Stored: n}))
	default:
		m.ok(m.q.Complete(m.t.Context(), c, sluice.Outcome{Stored: n - 1, Dead: []sluice.DeadLetter{queuetest.Letter(c, 0, "d")}}))
	}
}

func (m *machine) reopen(*rapid.T) {
	before := liteq.Dump(m.q)
	m.close()
	file, err := litefile.Open(m.path)
	m.ok(err)
	m.file = file
	m.q, err = liteq.Open(m.t.Context(), m.file, liteq.Config{})
	m.ok(err)
	if diff := cmp.Diff(before, liteq.Dump(m.q)); diff != "" {
		m.rt.Fatalf("memory (-before +after):\n%s", diff)
	}
	m.s.Q = m.q
}

// full lets an append fail for want of room.
func (m *machine) full(*rapid.T) {
	before := liteq.Dump(m.q)
	m.ok(liteq.MaxPages(m.q, 3))
	g := m.s.Group(queuetest.BySize(7, sluice.Never), queuetest.Numbered(0, 100, 1000)...)
	if _, err := m.q.Append(m.t.Context(), g); !errors.Is(err, sluice.ErrFull) {
		m.rt.Fatalf("append to a full file: got error %v, want ErrFull", err)
	}
	m.s.Number--
	m.ok(liteq.MaxPages(m.q, 0))
	if diff := cmp.Diff(before, liteq.Dump(m.q)); diff != "" {
		m.rt.Fatalf("a failed append changed the memory (-before +after):\n%s", diff)
	}
}

// check drains what is sealed and compares all batches that there ever were.
func (m *machine) check() {
	m.ok(liteq.Audit(m.q))
	for _, c := range m.claims {
		m.ok(m.q.Release(m.t.Context(), c, sluice.Retry{}))
	}
	queuetest.Status(m.t, m.q, queuetest.Door)
	m.claims = nil
	for {
		before := len(m.claims)
		m.claim(m.rt)
		if len(m.claims) == before {
			break
		}
		queuetest.Complete(m.t, m.q, m.claims[before])
	}
	m.ok(liteq.Audit(m.q))
	if diff := cmp.Diff(m.model.Sealed, m.handled); diff != "" {
		m.rt.Fatalf("batches (-want +got):\n%s", diff)
	}
}

func FuzzReplay(f *testing.F) {
	f.Add([]byte("\x09s\x10\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x02{}"))
	f.Add([]byte("\x05a\x01s\x0a0123456789"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_ = liteq.ReplayStep(b) // must not panic
	})
}
