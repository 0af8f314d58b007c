package pathload

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice"
	"sluice/redisq"
	"sluice/store/postgres"
)

// Ledger looks at what a facility has stored: its tables, and the accounts of its
// queues. Its methods are for the test's own goroutine.
type Ledger struct {
	T     testing.TB
	Pool  *pgxpool.Pool
	Queue *redisq.Queue
	// FacilityID is the facility's in the database.
	FacilityID int32
	// Wiped: the accounts no longer go back to the beginning.
	Wiped bool
	// Once: the server keeps the devices' sessions through everything, so that a message
	// is stored once however often it was sent. Else one that was sent more than once
	// may be there as often, where it has no key.
	Once bool
}

// OpenLedger migrates a database, makes the table of the keyless route, and opens
// the queue in the Redis at a URL. It is closed when the test ends.
func OpenLedger(t testing.TB, database, redis, facility string) *Ledger {
	t.Helper()
	l := &Ledger{T: t, Pool: openPool(t, database)}
	var err error
	if l.FacilityID, err = postgres.Facility(t.Context(), l.Pool, facility); err != nil {
		t.Fatal(err)
	}
	if l.Queue, err = redisq.Open(t.Context(), redisq.Config{URL: redis, Facility: facility}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Queue.Close)
	return l
}

func openPool(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	if _, _, err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	pool, err := postgres.NewPool(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if _, err := pool.Exec(t.Context(), createNumbers); err != nil {
		t.Fatal(err)
	}
	return pool
}

// Status returns the state of a queue.
func (l *Ledger) Status(queue string) (sluice.QueueStatus, error) {
	ctx, cancel := context.WithTimeout(l.T.Context(), 10*time.Second)
	defer cancel()
	return l.Queue.Status(ctx, queue)
}

// MustStatus returns the state of a queue that must answer.
func (l *Ledger) MustStatus(queue string) sluice.QueueStatus {
	l.T.Helper()
	st, err := l.Status(queue)
	if err != nil {
		l.T.Fatal(err)
	}
	return st
}

// AwaitStatus waits until a queue's state is as wanted.
func (l *Ledger) AwaitStatus(queue, what string, ok func(sluice.QueueStatus) bool) {
	l.T.Helper()
	Eventually(l.T, patience, func() error {
		st, err := l.Status(queue)
		if err == nil && !ok(st) {
			err = fmt.Errorf("%s: not yet %s: %+v", queue, what, st)
		}
		return err
	})
}

// AwaitReceived waits until the queue has received n more messages than now.
func (l *Ledger) AwaitReceived(queue string, n int64) {
	l.T.Helper()
	l.awaitMore("messages received", n, func() (int64, error) {
		st, err := l.Status(queue)
		return st.Account.Received, err
	})
}

// AwaitRows waits until data.sensor has n rows more than now.
func (l *Ledger) AwaitRows(n int64) {
	l.T.Helper()
	l.awaitMore("rows", n, l.Rows)
}

// awaitMore waits until a count is by n higher than when it was first had.
// Errors are waited out: a server that is coming back may not answer yet.
func (l *Ledger) awaitMore(what string, n int64, count func() (int64, error)) {
	l.T.Helper()
	first := int64(-1)
	Eventually(l.T, patience, func() error {
		got, err := count()
		switch {
		case err != nil:
			return err
		case first < 0:
			first = got
			return errors.New("counting " + what)
		case got < first+n:
			return fmt.Errorf("%d %s, want %d", got, what, first+n)
		}
		return nil
	})
}

// Rows returns how many rows the facility has, by its counter.
func (l *Ledger) Rows() (n int64, err error) {
	ctx, cancel := context.WithTimeout(l.T.Context(), 10*time.Second)
	defer cancel()
	err = l.Pool.QueryRow(ctx, "SELECT last_id FROM sluice.entry_counter WHERE facility_id = $1", l.FacilityID).Scan(&n)
	return n, err
}
