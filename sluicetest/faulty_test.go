package sluicetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sluice"
	"sluice/sluicetest"
)

func TestFaulty_Fates(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	mine := errors.New("mine")
	q := sluicetest.Faulty(sluicetest.NewQueue(), nil)

	q.Fail("Lease", sluicetest.Refuse, mine, 2)
	for range 2 {
		if _, err := q.Lease(ctx, "s", "a", time.Hour); err != mine {
			t.Fatalf("got error %v, want mine", err)
		}
	}
	l, err := q.Lease(ctx, "s", "a", time.Hour)
	if err != nil || l.Filters != nil {
		t.Fatalf("got %+v, %v; a refused call must have no effect", l, err)
	}
	q.Fail("Unlease", sluicetest.Lose, mine, 1)
	if err := q.Unlease(ctx, l); err != mine {
		t.Fatalf("got error %v, want mine", err)
	}
	if _, err := q.Lease(ctx, "s", "b", time.Hour); err != nil {
		t.Fatalf("got error %v; a call whose answer is lost must have its effect", err)
	}
	q.Fail("Renew", sluicetest.Lose, mine, -1)
	if err := q.Renew(ctx, l, time.Hour); !errors.Is(err, sluice.ErrFenced) {
		t.Fatalf("got error %v, want the call's own", err)
	}
	if n := q.Calls("Lease"); n != 4 {
		t.Fatalf("got %d calls of Lease, want 4", n)
	}
}

func TestFaulty_FatesOfDeviceCalls(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	mine := errors.New("mine")
	q := sluicetest.Faulty(sluicetest.NewQueue(), nil)
	l, err := q.Lease(ctx, "s", "a", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	g := &sluice.Group{Lease: l, Number: 1, Moves: []sluice.Move{{Kind: sluice.MoveWill, Device: "d", At: 1}}, CaughtUp: 2}
	if _, err = q.Append(ctx, g); err != nil {
		t.Fatal(err)
	}
	for _, op := range []string{"Clock", "SetOffset", "Attend", "Unheard", "Due", "Grace", "Devices", "Device", "ForgetDevice", "MuteDevice", "CountDevices"} {
		q.Fail(op, sluicetest.Refuse, mine, 1)
	}
	if _, err = q.Attend(ctx, l, 0); err != mine {
		t.Fatalf("got error %v, want mine", err)
	}
	due := sluice.DueRequest{Now: 2, Limit: 1}
	if _, err = q.Due(ctx, l, due); err != mine {
		t.Fatalf("got error %v, want mine", err)
	}
	if r, err := q.Due(ctx, l, due); err != nil || r.CaughtUp != 0 {
		t.Fatalf("got %+v, %v; a refused Attend must have no effect", r, err)
	}
	if _, err = q.Attend(ctx, l, 0); err != nil {
		t.Fatal(err)
	}
	q.Fail("Due", sluicetest.Lose, mine, 1)
	if r, err := q.Due(ctx, l, due); err != mine || r.Fell != 0 {
		t.Fatalf("got %+v, %v, want mine", r, err)
	}
	if c, err := q.CountDevices(ctx); err != mine {
		t.Fatalf("got %+v, %v, want mine", c, err)
	}
	if c, err := q.CountDevices(ctx); err != nil || c.Down != 1 {
		t.Fatalf("got %+v, %v; a call whose answer is lost must have its effect", c, err)
	}
	if n := q.Calls("Due"); n != 3 {
		t.Fatalf("got %d calls of Due, want 3", n)
	}
}

func TestFaulty_FailOfUnknownMethod_Panics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a method that does not exist was given a fate")
		}
	}()
	sluicetest.Faulty(sluicetest.NewQueue(), nil).Fail("Mute", sluicetest.Refuse, nil, 1)
}

func TestFaulty_Plan(t *testing.T) {
	t.Parallel()
	q := sluicetest.Faulty(sluicetest.NewQueue(), func(op string) sluicetest.Fate {
		if op == "Status" {
			return sluicetest.Refuse
		}
		return sluicetest.Pass
	})
	if _, err := q.Status(t.Context(), "q"); err != sluicetest.ErrFault {
		t.Errorf("got error %v, want ErrFault", err)
	}
	if err := q.Resume(t.Context(), "q"); err != nil {
		t.Errorf("got error %v", err)
	}
}

func TestFaulty_HangsUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := sluicetest.Faulty(sluicetest.NewQueue(), nil)
		q.Fail("Append", sluicetest.Hang, nil, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		_, err := q.Append(ctx, &sluice.Group{})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("got error %v after %v, want the context's after 1m", err, time.Since(began))
		}
	})
}

func TestFaulty_BreaksWatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := sluicetest.Faulty(sluicetest.NewQueue(), nil)
		ended := make(chan error, 1)
		go func() { ended <- q.Watch(t.Context(), func(string) {}) }()
		synctest.Wait()
		q.Break()
		if err := <-ended; err != sluicetest.ErrFault {
			t.Errorf("got error %v, want ErrFault", err)
		}
		q.Fail("Watch", sluicetest.Refuse, sluicetest.ErrFault, 1)
		if err := q.Watch(t.Context(), func(string) {}); err != sluicetest.ErrFault {
			t.Errorf("got error %v, want ErrFault", err)
		}
	})
}

func TestQueue_SetFull_RefusesNewGroups(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	q := sluicetest.NewQueue()
	l, err := q.Lease(ctx, "s", "a", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var f sluice.Frame
	f.Append([]byte("t"), []byte("p"), 0)
	g := &sluice.Group{Lease: l, Number: 1, Parts: []sluice.Part{{Queue: "q", Policy: sluice.Policy{}.Resolve(), Frame: f}}}
	q.SetFull(true)
	if _, err := q.Append(ctx, g); !errors.Is(err, sluice.ErrFull) {
		t.Fatalf("got error %v, want ErrFull", err)
	}
	q.SetFull(false)
	if _, err := q.Append(ctx, g); err != nil {
		t.Fatal(err)
	}
	q.SetFull(true)
	if r, err := q.Append(ctx, g); err != nil || !r.Repeated {
		t.Fatalf("got %+v, %v; want the first receipt of a repeat", r, err)
	}
	if s, _ := q.Status(ctx, "q"); s.Account.Received != 1 {
		t.Fatalf("got account %+v, want 1 received", s.Account)
	}
}
