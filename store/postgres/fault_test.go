package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice"
	"sluice/internal/testenv"
	"sluice/store/storetest"
)

// blocker is a trigger that waits for the advisory lock 1: it stops a batch in
// the middle of a statement, or, deferred, in the middle of COMMIT.
const blocker = `
CREATE FUNCTION data.block() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	PERFORM pg_advisory_xact_lock(1);
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER block AFTER INSERT ON %s %s FOR EACH ROW EXECUTE FUNCTION data.block()`

// waitBlocked returns when a session waits for the advisory lock.
func waitBlocked(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	testenv.Eventually(t, 20*time.Second, func() error {
		if n := query[int](t, pool, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"); n != 1 {
			return fmt.Errorf("%d sessions wait", n)
		}
		return nil
	})
}

func TestSensor_ServerKilledInTheMiddle_StoresOnce(t *testing.T) {
	t.Parallel()
	for name, trigger := range map[string]string{
		"of COPY":   fmt.Sprintf(blocker, "data.sensor", ""),
		"of COMMIT": fmt.Sprintf(blocker, "sluice.applied_batch", "DEFERRABLE INITIALLY DEFERRED"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testenv.Postgres(t)
			pool := migrated(t, server.Database())
			s := sinkOf(t, pool, SensorConfig{})
			storetest.WantOutcome(t, s.Handle(t.Context(), storetest.Readings("dev-1", storetest.Epoch, 10)), 0)
			exec(t, pool, trigger)
			lock, err := pool.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := lock.Exec(t.Context(), "SELECT pg_advisory_lock(1)"); err != nil {
				t.Fatal(err)
			}
			b := storetest.Readings("dev-1", storetest.Epoch+5, 10) // five duplicates
			done := storetest.Handle(t.Context(), s, b)
			waitBlocked(t, pool)
			server.Kill()
			lock.Release()
			if err := <-done; err == nil || storetest.IsHalt(err) || errors.As(err, new(*sluice.BatchError)) {
				t.Fatalf("got %v, want an error to be tried again", err)
			}
			server.Start()
			b.Attempt++
			testenv.Eventually(t, 20*time.Second, func() error { return pool.Ping(t.Context()) })
			storetest.WantOutcome(t, s.Handle(t.Context(), b), 5)
			storetest.WantOutcome(t, s.Handle(t.Context(), b), 5)
			wantRows(t, pool, 15)
		})
	}
}

// linkTo returns a link to the database, and a pool that goes through it.
func linkTo(t *testing.T, pool *pgxpool.Pool) (*testenv.Link, *pgxpool.Pool) {
	t.Helper()
	u, err := url.Parse(pool.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	link := testenv.Proxy(t, u.Host)
	u.Host = link.Addr()
	return link, newPool(t, u.String())
}

func TestSensor_AnswerToCommitLost_ReturnsTheStoredOutcome(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]*sluice.Batch{
		"direct":  storetest.Batch(storetest.Payload("dev-1", storetest.Epoch+1, 20, 50), []byte("x")),
		"careful": storetest.Batch(storetest.Payload("dev-1", storetest.Epoch, 21, 50), storetest.Payload("dev-1", storetest.Epoch, 20, 50), []byte("x")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct, pool := newSink(t)
			storetest.WantOutcome(t, direct.Handle(t.Context(), storetest.Batch(storetest.Payload("dev-1", storetest.Epoch, 20, 50))), 0)
			link, far := linkTo(t, pool)
			s := sinkOf(t, far, SensorConfig{})
			storetest.WantOutcome(t, s.Handle(t.Context(), storetest.Batch(storetest.Payload("warm", storetest.Epoch, 20, 50))), 0)
			if name == "careful" { // its statements prepared, so that COMMIT goes by name no more
				storetest.WantOutcome(t, s.Handle(t.Context(), storetest.Batch(storetest.Payload("warm", storetest.Epoch, 20, 50))), 1)
			}
			// The outcome is in the database once the server's answer passes by.
			link.On(testenv.ToClient, []byte("COMMIT\x00"), func() { link.Lose(testenv.ToClient) })
			ctx, cancel := context.WithCancel(t.Context())
			done := storetest.Handle(ctx, s, b)
			testenv.Eventually(t, 20*time.Second, func() error {
				if _, ok, err := storedOutcome(t.Context(), pool, b.ID); err != nil || !ok {
					return fmt.Errorf("not applied yet (%v)", err)
				}
				return nil
			})
			cancel()
			if err := <-done; err == nil || storetest.IsHalt(err) || errors.As(err, new(*sluice.BatchError)) {
				t.Fatalf("got %v, want an error to be tried again", err)
			}
			rows := query[int](t, pool, "SELECT count(*) FROM data.sensor")
			b.Attempt++
			want := direct.Handle(t.Context(), b)
			link.Reset()
			link.Resume()
			testenv.Eventually(t, 20*time.Second, func() error {
				got := s.Handle(t.Context(), b)
				if got == nil || got.Error() != want.Error() {
					return fmt.Errorf("got %v, want %v", got, want)
				}
				return nil
			})
			wantRows(t, pool, rows)
		})
	}
}

func TestSensor_ConnectionCutInCopy_StoresOnce(t *testing.T) {
	t.Parallel()
	_, pool := newSink(t)
	link, far := linkTo(t, pool)
	s := sinkOf(t, far, SensorConfig{})
	b := storetest.Readings("dev-1", storetest.Epoch, 5000)
	cut := link.On(testenv.ToServer, []byte("PGCOPY"), link.Reset)
	if err := s.Handle(t.Context(), b); err == nil || storetest.IsHalt(err) {
		t.Fatalf("got %v, want an error to be tried again", err)
	}
	<-cut
	storetest.WantOutcome(t, s.Handle(t.Context(), b), 0)
	wantRows(t, pool, 5000)
}

func TestSensor_ServerStopped_GivesUpAfterTheTimeout(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	pool := migrated(t, server.Database())
	s := sinkOf(t, pool, SensorConfig{Timeout: 300 * time.Millisecond})
	b := storetest.Readings("dev-1", storetest.Epoch, 10)
	patient := sinkOf(t, pool, SensorConfig{}) // opens the connection; a busy machine may take longer than 300 ms
	storetest.WantOutcome(t, patient.Handle(t.Context(), storetest.Readings("dev-2", storetest.Epoch, 10)), 0)
	server.Pause()
	for range 2 { // on an open connection, then on none
		began := time.Now()
		err := s.Handle(t.Context(), b)
		if err == nil || storetest.IsHalt(err) {
			t.Errorf("got %v, want an error to be tried again", err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("took %v with a timeout of 300 ms", took)
		}
	}
	server.Resume()
	testenv.Eventually(t, 30*time.Second, func() error { return s.Handle(t.Context(), b) })
	wantRows(t, pool, 20)
}
