package redisq_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice"
	"sluice/internal/testenv"
	"sluice/redisq"
)

// fill appends batches of ten until the queue is full, and returns the group
// that was refused.
func fill(s *session) *sluice.Group {
	s.t.Helper()
	for {
		g := s.group(bySize(10, sluice.Never), numbered(int(s.number)*20, 20, 1000)...)
		_, err := s.q.Append(s.t.Context(), g)
		if errors.Is(err, sluice.ErrFull) {
			return g
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// letter makes a dead letter of message i of a claim.
func letter(c *sluice.Claim, i int, device string) sluice.DeadLetter {
	m := c.Batch.Messages[i]
	return sluice.DeadLetter{Batch: c.Batch.ID, Index: i, Route: c.Batch.Route, Device: device, Topic: m.Topic, Payload: m.Payload, Received: m.Received, Reason: sluice.ReasonDecode}
}

// The memory that Redis has besides the queue varies; 16 MB leave enough for it.
func TestFullRedis_RefusesAppendAlone_AndDrains(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t, testenv.Config("maxmemory 16mb"))
	q := open(t, server, redisq.Config{MaxBytes: -1})
	s := newSession(t, q)
	dead := s.group(bySize(10, sluice.Never), "m")
	dead.Dead = []sluice.DeadLetter{{Route: door, Topic: "t"}}
	s.append(dead)
	refused := fill(s)
	before := status(t, q, door)

	// A repeat of what was stored and a stranger's append are told the truth.
	last := &sluice.Group{Lease: s.lease, Number: refused.Number - 1, Parts: refused.Parts}
	if r, err := q.Append(t.Context(), last); err != nil || !r.Repeated {
		t.Fatalf("repeat in a full Redis: got %+v, %v", r, err)
	}
	stranger := sluice.Lease{Session: "s", Token: "stranger"}
	if _, err := q.Append(t.Context(), &sluice.Group{Lease: stranger, Number: 1}); !errors.Is(err, sluice.ErrFenced) {
		t.Fatalf("stranger in a full Redis: got error %v", err)
	}

	c := claim(t, q, door)
	for what, err := range map[string]error{
		"renew":   q.Renew(t.Context(), s.lease, time.Hour),
		"extend":  q.Extend(t.Context(), c, time.Hour),
		"release": q.Release(t.Context(), c, sluice.Retry{After: time.Hour, Halted: true, Reason: strings.Repeat("r", 1000)}),
		"resume":  q.Resume(t.Context(), door),
		"forget":  q.Forget(t.Context(), s.lease),
	} {
		if err != nil && what != "extend" { // its order against release is open
			t.Errorf("%s in a full Redis: %v", what, err)
		}
	}
	if r, err := q.Seal(t.Context(), sluice.QueueDead, sluice.Policy{Timeout: time.Microsecond}.Resolve()); err != nil || !r.Sealed {
		t.Fatalf("seal in a full Redis: %+v, %v", r, err)
	}
	if _, err := q.Lease(t.Context(), "other", "a", time.Hour); err != nil {
		t.Fatalf("lease in a full Redis: %v", err)
	}
	if after := status(t, q, door); after.Queued() != before.Queued() || after.Account.Received != before.Account.Received {
		t.Fatalf("a refused append changed the queue: %+v, before %+v", after, before)
	}

	if err := q.Resume(t.Context(), door); err != nil {
		t.Fatal(err)
	}
	c = claim(t, q, door)
	all := sluice.Outcome{}
	for i := range c.Batch.Messages {
		all.Dead = append(all.Dead, letter(c, i, fmt.Sprint(i)))
	}
	if err := q.Complete(t.Context(), c, all); err != nil {
		t.Fatalf("complete with dead letters in a full Redis: %v", err)
	}
	drain(t, q, door)
	drain(t, q, sluice.QueueDead)
	if r := s.append(refused); r.Repeated {
		t.Fatal("the refused group had been stored")
	}
	if _, err := q.Seal(t.Context(), sluice.QueueDead, sluice.Policy{Timeout: time.Microsecond}.Resolve()); err != nil {
		t.Fatal(err)
	}
	drain(t, q, door)
	drain(t, q, sluice.QueueDead)
	for _, queue := range []string{door, sluice.QueueDead} {
		if st := status(t, q, queue); st.Sealed+st.Claimed+st.Retry != 0 {
			t.Errorf("%s: %+v, want it drained", queue, st)
		}
	}
}

func TestMaxBytes_CountsEveryQueueAndDeadLetters(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	const limit = 100_000
	q := open(t, server, redisq.Config{MaxBytes: limit, Facility: "full"})
	s := newSession(t, q)
	refused := fill(s)
	stored := status(t, q, door).Bytes
	if stored > limit || stored < limit-21_000 {
		t.Fatalf("full at %d bytes, want the last group below %d", stored, limit)
	}
	// What is not stored is not refused: the account and the record go on.
	g := &sluice.Group{Lease: s.lease, Number: refused.Number, Drops: []sluice.Drop{{Route: door, Cause: sluice.DropOverlap, Count: 2}}}
	s.append(g)
	g = &sluice.Group{Lease: s.lease, Number: refused.Number + 1, Dead: []sluice.DeadLetter{{Route: door, Payload: make([]byte, 20_000)}}}
	if _, err := q.Append(t.Context(), g); !errors.Is(err, sluice.ErrFull) {
		t.Fatalf("dead letter above the limit: got error %v, want ErrFull", err)
	}
	c := claim(t, q, door)
	o := sluice.Outcome{Stored: 5}
	for i := range 5 {
		o.Dead = append(o.Dead, letter(c, i, "d"))
	}
	if err := q.Complete(t.Context(), c, o); err != nil {
		t.Fatal(err)
	}
	raw := connect(t, server)
	bytes := func() int64 {
		t.Helper()
		n, err := do(t, raw, "HGET", "sluice:{full}:store", "bytes").AsInt64()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got, want := bytes(), status(t, q, door).Bytes+status(t, q, sluice.QueueDead).Bytes; got != want {
		t.Fatalf("the store counts %d bytes, its queues hold %d", got, want)
	}
	if _, err := q.Seal(t.Context(), sluice.QueueDead, sluice.Policy{Timeout: time.Microsecond}.Resolve()); err != nil {
		t.Fatal(err)
	}
	drain(t, q, door)
	drain(t, q, sluice.QueueDead)
	if got := bytes(); got != 0 {
		t.Fatalf("the store counts %d bytes when empty", got)
	}
	s.append(g)
}
