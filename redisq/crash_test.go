package redisq_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice"
	"sluice/internal/queuetest"
	"sluice/internal/testenv"
	"sluice/redisq"
)

// insist repeats the append of a group until it is durable, as ingest does, and
// tells how often it failed.
func insist(s *queuetest.Session, g *sluice.Group, timeout time.Duration) (failed int) {
	s.T.Helper()
	testenv.Eventually(s.T, time.Minute, func() error {
		ctx, cancel := context.WithTimeout(s.T.Context(), timeout)
		defer cancel()
		_, err := s.Q.Append(ctx, g)
		if err != nil {
			failed++
		}
		return err
	})
	return failed
}

// Redis is killed while a session appends without a pause, again and again.
// Every group that was confirmed, and the one in flight, is there once.
func TestRedisKilled_KeepsEverythingConfirmed_Once(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	q := open(t, server, redisq.Config{})
	s := queuetest.NewSession(t, q)
	const kills, size = 5, 10
	var want []string
	stop, ended := make(chan struct{}), make(chan struct{})
	appended := make(chan struct{}, 1)
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
			}
			ps := queuetest.Numbered(len(want), size, 50)
			g := s.Group(queuetest.BySize(7, sluice.Never), ps...)
			for { // insist, but not by t.Fatal: this is not the test's goroutine
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				_, err := q.Append(ctx, g)
				cancel()
				if err == nil {
					break
				}
				if errors.Is(err, sluice.ErrFenced) || t.Context().Err() != nil {
					t.Error(err)
					return
				}
			}
			want = append(want, ps...)
			select {
			case appended <- struct{}{}:
			default:
			}
		}
	}()
	for range kills {
		for range 20 {
			<-appended
		}
		server.Kill()
		server.Start()
	}
	for range 20 {
		<-appended
	}
	close(stop)
	<-ended
	var got []string
	for _, b := range queuetest.Drain(t, q, queuetest.Door) {
		got = append(got, b...)
	}
	if open := queuetest.Status(t, q, queuetest.Door).Open; int64(len(want)-len(got)) != open {
		t.Fatalf("%d appended, %d claimed, %d open", len(want), len(got), open)
	}
	if diff := cmp.Diff(want[:len(got)], got); diff != "" {
		t.Fatalf("messages (-want +got):\n%s", diff)
	}
}

// The outcome of a call that timed out is unknown; here each one is carried out
// when Redis runs again, and none counts twice.
func TestRedisPaused_PastTheTimeout_StoresOnce(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	q := open(t, server, redisq.Config{})
	s := queuetest.NewSession(t, q)
	var want []string
	for round := range 3 {
		g := s.Group(queuetest.BySize(1000, sluice.Never), queuetest.Numbered(10*round, 10, 20)...)
		want = append(want, queuetest.Numbered(10*round, 10, 20)...)
		server.Pause()
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			_, err := q.Append(ctx, g)
			cancel()
			if err == nil || errors.Is(err, sluice.ErrFenced) || errors.Is(err, sluice.ErrFull) {
				t.Fatalf("append to a paused Redis: got error %v, want a plain one", err)
			}
		}
		server.Resume()
		insist(s, g, 5*time.Second)
		if got := queuetest.Status(t, q, queuetest.Door).Open; got != int64(len(want)) {
			t.Fatalf("%d messages after round %d, want %d", got, round, len(want))
		}
	}
	if _, err := q.Seal(t.Context(), queuetest.Door, sluice.Policy{Timeout: time.Microsecond}.Resolve()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{want}, queuetest.Drain(t, q, queuetest.Door)); diff != "" {
		t.Fatalf("messages (-want +got):\n%s", diff)
	}
}

func TestRedisWiped_OldRightsAreVoid(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	q := open(t, server, redisq.Config{})
	s := queuetest.NewSession(t, q)
	s.Append(s.Group(queuetest.BySize(2, sluice.Never), queuetest.Numbered(0, 3, 10)...))
	c := queuetest.Claim(t, q, queuetest.Door)
	do(t, connect(t, server), "FLUSHALL")

	_, err := q.Append(t.Context(), s.Group(queuetest.BySize(2, sluice.Never), "late"))
	for what, got := range map[string]struct{ err, want error }{
		"append":   {err, sluice.ErrFenced},
		"renew":    {q.Renew(t.Context(), s.Lease, time.Hour), sluice.ErrFenced},
		"forget":   {q.Forget(t.Context(), s.Lease), sluice.ErrFenced},
		"extend":   {q.Extend(t.Context(), c, time.Hour), sluice.ErrLost},
		"release":  {q.Release(t.Context(), c, sluice.Retry{}), sluice.ErrLost},
		"complete": {q.Complete(t.Context(), c, sluice.Outcome{Stored: 2}), sluice.ErrLost},
	} {
		if !errors.Is(got.err, got.want) {
			t.Errorf("%s after a wipe: got error %v, want %v", what, got.err, got.want)
		}
	}
	if st := queuetest.Status(t, q, queuetest.Door); st.Account.Received != 0 || st.Queued() != 0 {
		t.Errorf("got %+v, want an empty queue", st)
	}
	again := queuetest.NewSession(t, q)
	if again.Lease.Filters != nil || again.Lease.Token == s.Lease.Token {
		t.Errorf("got lease %+v, want the first of a new store", again.Lease)
	}
	again.Append(again.Group(queuetest.BySize(2, sluice.Never), queuetest.Numbered(0, 2, 10)...))
	if b := queuetest.Claim(t, q, queuetest.Door).Batch; b.ID == c.Batch.ID {
		t.Error("a new batch has the id of an old one")
	}
}

func TestScriptFlush_IsNotNoticed(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	q, raw := open(t, server, redisq.Config{}), connect(t, server)
	s := queuetest.NewSession(t, q)
	for i := range 3 {
		do(t, raw, "SCRIPT", "FLUSH")
		s.Append(s.Group(queuetest.BySize(1, sluice.Never), fmt.Sprint(i)))
		do(t, raw, "SCRIPT", "FLUSH")
		c := queuetest.Claim(t, q, queuetest.Door)
		do(t, raw, "SCRIPT", "FLUSH")
		queuetest.Complete(t, q, c)
	}
	if st := queuetest.Status(t, q, queuetest.Door); st.Account.Stored != 3 {
		t.Fatalf("got %+v, want 3 stored", st)
	}
}

func TestWatch_RedisKilled_EndsWithError(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	q := open(t, server, redisq.Config{})
	raw := connect(t, server)
	ended := make(chan error, 1)
	go func() { ended <- q.Watch(t.Context(), func(string) {}) }()
	testenv.Eventually(t, 10*time.Second, func() error {
		names, err := do(t, raw, "PUBSUB", "CHANNELS").AsStrSlice()
		if err == nil && len(names) == 0 {
			err = errors.New("nobody subscribed")
		}
		return err
	})
	raw.Close()
	server.Kill()
	select {
	case err := <-ended:
		if err == nil {
			t.Fatal("the watch ended without an error")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the watch did not end")
	}
	server.Start()
}
