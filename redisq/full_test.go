package redisq_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice"
	"sluice/internal/queuetest"
	"sluice/internal/testenv"
	"sluice/redisq"
)

// The memory that Redis has besides the queue varies; 16 MB leave enough for it.
func TestFullRedis_RefusesAppendAlone_AndDrains(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t, testenv.Config("maxmemory 16mb"))
	q := open(t, server, redisq.Config{MaxBytes: -1})
	s := queuetest.NewSession(t, q)
	dead := s.Group(queuetest.BySize(10, sluice.Never), "m")
	dead.Dead = []sluice.DeadLetter{{Route: queuetest.Door, Topic: "t"}}
	s.Append(dead)
	refused := s.Fill()
	before := queuetest.Status(t, q, queuetest.Door)

	// A repeat of what was stored and a stranger's append are told the truth.
	last := &sluice.Group{Lease: s.Lease, Number: refused.Number - 1, Parts: refused.Parts}
	if r, err := q.Append(t.Context(), last); err != nil || !r.Repeated {
		t.Fatalf("repeat in a full Redis: got %+v, %v", r, err)
	}
	stranger := sluice.Lease{Session: "s", Token: "stranger"}
	if _, err := q.Append(t.Context(), &sluice.Group{Lease: stranger, Number: 1}); !errors.Is(err, sluice.ErrFenced) {
		t.Fatalf("stranger in a full Redis: got error %v", err)
	}

	c := queuetest.Claim(t, q, queuetest.Door)
	for what, err := range map[string]error{
		"renew":   q.Renew(t.Context(), s.Lease, time.Hour),
		"extend":  q.Extend(t.Context(), c, time.Hour),
		"release": q.Release(t.Context(), c, sluice.Retry{After: time.Hour, Halted: true, Reason: strings.Repeat("r", 1000)}),
		"resume":  q.Resume(t.Context(), queuetest.Door),
		"forget":  q.Forget(t.Context(), s.Lease),
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
	if after := queuetest.Status(t, q, queuetest.Door); after.Queued() != before.Queued() || after.Account.Received != before.Account.Received {
		t.Fatalf("a refused append changed the queue: %+v, before %+v", after, before)
	}

	if err := q.Resume(t.Context(), queuetest.Door); err != nil {
		t.Fatal(err)
	}
	c = queuetest.Claim(t, q, queuetest.Door)
	all := sluice.Outcome{}
	for i := range c.Batch.Messages {
		all.Dead = append(all.Dead, queuetest.Letter(c, i, fmt.Sprint(i)))
	}
	if err := q.Complete(t.Context(), c, all); err != nil {
		t.Fatalf("complete with dead letters in a full Redis: %v", err)
	}
	queuetest.Drain(t, q, queuetest.Door)
	queuetest.Drain(t, q, sluice.QueueDead)
	if r := s.Append(refused); r.Repeated {
		t.Fatal("the refused group had been stored")
	}
	if _, err := q.Seal(t.Context(), sluice.QueueDead, sluice.Policy{Timeout: time.Microsecond}.Resolve()); err != nil {
		t.Fatal(err)
	}
	queuetest.Drain(t, q, queuetest.Door)
	queuetest.Drain(t, q, sluice.QueueDead)
	for _, queue := range []string{queuetest.Door, sluice.QueueDead} {
		if st := queuetest.Status(t, q, queue); st.Sealed+st.Claimed+st.Retry != 0 {
			t.Errorf("%s: %+v, want it drained", queue, st)
		}
	}
}

func TestMaxBytes_CountsEveryQueueAndDeadLetters(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	const limit = 100_000
	q := open(t, server, redisq.Config{MaxBytes: limit, Facility: "full"})
	s := queuetest.NewSession(t, q)
	refused := s.Fill()
	stored := queuetest.Status(t, q, queuetest.Door).Bytes
	if stored > limit || stored < limit-21_000 {
		t.Fatalf("full at %d bytes, want the last group below %d", stored, limit)
	}
	// What is not stored is not refused: the account and the record go on.
	g := &sluice.Group{Lease: s.Lease, Number: refused.Number, Drops: []sluice.Drop{{Route: queuetest.Door, Cause: sluice.DropOverlap, Count: 2}}}
	s.Append(g)
	g = &sluice.Group{Lease: s.Lease, Number: refused.Number + 1, Dead: []sluice.DeadLetter{{Route: queuetest.Door, Payload: make([]byte, 20_000)}}}
	if _, err := q.Append(t.Context(), g); !errors.Is(err, sluice.ErrFull) {
		t.Fatalf("dead letter above the limit: got error %v, want ErrFull", err)
	}
	c := queuetest.Claim(t, q, queuetest.Door)
	o := sluice.Outcome{Stored: 5}
	for i := range 5 {
		o.Dead = append(o.Dead, queuetest.Letter(c, i, "d"))
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
	if got, want := bytes(), queuetest.Status(t, q, queuetest.Door).Bytes+queuetest.Status(t, q, sluice.QueueDead).Bytes; got != want {
		t.Fatalf("the store counts %d bytes, its queues hold %d", got, want)
	}
	if _, err := q.Seal(t.Context(), sluice.QueueDead, sluice.Policy{Timeout: time.Microsecond}.Resolve()); err != nil {
		t.Fatal(err)
	}
	queuetest.Drain(t, q, queuetest.Door)
	queuetest.Drain(t, q, sluice.QueueDead)
	if got := bytes(); got != 0 {
		t.Fatalf("the store counts %d bytes when empty", got)
	}
	s.Append(g)
}
