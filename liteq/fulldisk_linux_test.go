package liteq_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice"
	"sluice/internal/queuetest"
	"sluice/internal/testenv"
	"sluice/liteq"
)

// inFullDisk does everything that a queue must be able to do while its disk is full,
// and returns when append works again.
func inFullDisk(t *testing.T, q *liteq.Queue, s *queuetest.Session) {
	t.Helper()
	refused := s.Fill()
	before := queuetest.Status(t, q, queuetest.Door)

	// A repeat of what was stored and a stranger's append are told the truth.
	last := &sluice.Group{Lease: s.Lease, Number: refused.Number - 1, Parts: refused.Parts}
	if r, err := q.Append(t.Context(), last); err != nil || !r.Repeated {
		t.Fatalf("repeat on a full disk: got %+v, %v", r, err)
	}
	stranger := &sluice.Group{Lease: sluice.Lease{Session: "s", Token: "stranger"}, Number: 1}
	if _, err := q.Append(t.Context(), stranger); !errors.Is(err, sluice.ErrFenced) {
		t.Fatalf("stranger on a full disk: got error %v", err)
	}
	c := queuetest.Claim(t, q, queuetest.Door)
	for _, step := range []struct {
		what string
		err  error
	}{
		{"renew", q.Renew(t.Context(), s.Lease, time.Hour)},
		{"extend", q.Extend(t.Context(), c, time.Hour)},
		{"release", q.Release(t.Context(), c, sluice.Retry{Halted: true, Reason: strings.Repeat("r", 1000)})},
		{"resume", q.Resume(t.Context(), queuetest.Door)},
		{"forget", q.Forget(t.Context(), s.Lease)},
	} {
		if step.err != nil {
			t.Errorf("%s on a full disk: %v", step.what, step.err)
		}
	}
	if after := queuetest.Status(t, q, queuetest.Door); after.Queued() != before.Queued() || after.Account.Received != before.Account.Received {
		t.Fatalf("a refused append changed the queue: %+v, before %+v", after, before)
	}
	c = queuetest.Claim(t, q, queuetest.Door)
	all := sluice.Outcome{}
	for i := range c.Batch.Messages {
		all.Dead = append(all.Dead, queuetest.Letter(c, i, fmt.Sprint(i)))
	}
	if err := q.Complete(t.Context(), c, all); err != nil {
		t.Fatalf("complete on a full disk: %v", err)
	}
	sealAll(t, q, sluice.QueueDead)
	queuetest.Drain(t, q, queuetest.Door)
	queuetest.Drain(t, q, sluice.QueueDead)
	if r := s.Append(refused); r.Repeated {
		t.Fatal("the refused group had been stored")
	}
	queuetest.Drain(t, q, queuetest.Door)
	for _, queue := range []string{queuetest.Door, sluice.QueueDead} {
		if st := queuetest.Status(t, q, queue); st.Sealed+st.Claimed+st.Retry != 0 {
			t.Errorf("%s: %+v, want it drained", queue, st)
		}
	}
}

func TestFullDisk_RefusesAppendAlone_AndDrains(t *testing.T) {
	testenv.SmallDisk(t, 16, func(dir string) {
		file := openFile(t, filepath.Join(dir, "sluice.db"))
		q := openQueue(t, file, liteq.Config{})
		s := queuetest.NewSession(t, q)
		for round := range 3 {
			inFullDisk(t, q, s)
			if t.Failed() {
				t.Fatalf("round %d", round)
			}
		}
		s.Fill()
		before := liteq.Dump(q)
		closeQueue(t, q)
		closeFile(t, file)
		file = openFile(t, filepath.Join(dir, "sluice.db")) // a full disk is no reason not to start
		q = openQueue(t, file, liteq.Config{})
		compare(t, before, q)
		for _, b := range queuetest.Drain(t, q, queuetest.Door) {
			if len(b) != 10 {
				t.Errorf("a batch of %d messages", len(b))
			}
		}
		closeQueue(t, q)
		closeFile(t, file)
	})
}
