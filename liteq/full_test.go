package liteq_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sluice"
	"sluice/internal/litefile"
	"sluice/internal/queuetest"
	"sluice/liteq"
)

func TestMaxBytes_CountsEveryQueueAndDeadLetters(t *testing.T) {
	t.Parallel()
	const limit = 100_000
	q := open(t, liteq.Config{MaxBytes: limit})
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
	sealAll(t, q, sluice.QueueDead)
	queuetest.Drain(t, q, queuetest.Door)
	queuetest.Drain(t, q, sluice.QueueDead)
	s.Append(g)
}

func sealAll(t testing.TB, q *liteq.Queue, queue string) {
	t.Helper()
	if _, err := q.Seal(t.Context(), queue, sluice.Policy{Timeout: time.Microsecond}.Resolve()); err != nil {
		t.Fatal(err)
	}
}

// Whatever step fails, memory and file are what they were before it.
func TestStep_ThatFails_ChangesNothing(t *testing.T) {
	t.Parallel()
	q := open(t, liteq.Config{})
	s := queuetest.NewSession(t, q)
	c := prepareForFailures(t, q, s)
	if err := liteq.Break(q); err != nil {
		t.Fatal(err)
	}
	before := liteq.Dump(q)
	for what, err := range failures(t, q, s, c) {
		if err == nil {
			t.Errorf("%s: no error, though the file refuses every step", what)
		}
	}
	if err := liteq.Mend(q); err != nil {
		t.Fatal(err)
	}
	compare(t, before, q)
	for what, err := range failures(t, q, s, c) {
		if err != nil {
			t.Errorf("%s, once the file is mended: %v", what, err)
		}
	}
}

func prepareForFailures(t *testing.T, q *liteq.Queue, s *queuetest.Session) *sluice.Claim {
	t.Helper()
	g := s.Group(queuetest.BySize(2, sluice.Never), "a", "b", "c", "d")
	g.Moves = []sluice.Move{{Kind: sluice.MoveConnect, Device: "d1", At: 1000}, {Kind: sluice.MoveWill, Device: "d2", At: 1000, Delay: 1}}
	g.CaughtUp = 1 << 50
	s.Append(g)
	_, err := q.Connect(t.Context(), s.Lease, sluice.ConnectRequest{Client: "c1", Expiry: time.Hour})
	_, attend := q.Attend(t.Context(), s.Lease, 0)
	if err := errors.Join(err, attend); err != nil {
		t.Fatal(err)
	}
	return queuetest.Claim(t, q, queuetest.Door)
}

// failures makes a step of each kind.
func failures(t *testing.T, q *liteq.Queue, s *queuetest.Session, c *sluice.Claim) map[string]error {
	t.Helper()
	ctx, out := t.Context(), map[string]error{}
	g := *s.Group(queuetest.BySize(2, sluice.Never), "e")
	g.Number = 2
	g.Moves = []sluice.Move{{Kind: sluice.MoveSeen, Device: "d3", At: 2000}}
	g.Dead = []sluice.DeadLetter{{Route: queuetest.Door, Device: "x"}}
	_, out["append"] = q.Append(ctx, &g)
	_, out["seal"] = q.Seal(ctx, sluice.QueueDevices, sluice.Policy{Timeout: time.Nanosecond}.Resolve())
	out["extend"] = q.Extend(ctx, c, time.Hour)
	out["note"] = q.Note(ctx, c, []byte("note"))
	_, out["due"] = q.Due(ctx, s.Lease, sluice.DueRequest{Now: 1 << 49, Limit: 10, Events: true})
	_, _, out["mute"] = q.MuteDevice(ctx, "d1", time.Hour)
	_, out["connect"] = q.Connect(ctx, s.Lease, sluice.ConnectRequest{Client: "c2", CleanStart: true})
	out["subscribe client"] = q.SubscribeClient(ctx, s.Lease, "c1", 1, []byte("s"))
	out["disconnect"] = q.Disconnect(ctx, s.Lease, "c1", 1, 0, false)
	_, out["forget device"] = q.ForgetDevice(ctx, "d2")
	out["offset"] = q.SetOffset(ctx, 0, 1)
	out["complete"] = q.Complete(ctx, c, sluice.Outcome{Stored: 1, Dead: []sluice.DeadLetter{queuetest.Letter(c, 0, "d")}})
	_, out["lease"] = q.Lease(ctx, "other", "h", time.Hour)
	return out
}

func TestFullDisk_IsToldAsSuch(t *testing.T) {
	t.Parallel()
	q := open(t, liteq.Config{})
	s := queuetest.NewSession(t, q)
	if err := liteq.MaxPages(q, 3); err != nil {
		t.Fatal(err)
	}
	_, err := q.Append(t.Context(), s.Group(queuetest.BySize(1, sluice.Never), queuetest.Numbered(0, 100, 1000)...))
	if !errors.Is(err, sluice.ErrFull) || !litefile.IsFull(err) || !strings.Contains(err.Error(), "no room on its disk") {
		t.Errorf("got error %v, want ErrFull that names the disk", err)
	}
}
