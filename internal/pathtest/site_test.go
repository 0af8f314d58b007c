package pathtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice"
	"sluice/internal/testenv"
	"sluice/redisq"
	"sluice/store/postgres"
)

// site is the servers of one test and what the routers under test need to know.
type site struct {
	t      testing.TB
	broker *testenv.Server
	redis  *testenv.Server
	pool   *pgxpool.Pool
	queue  *redisq.Queue // the test's own look at it
	// settings are those of the routers that start returns.
	settings settings
	// wiped: the accounts no longer go back to the beginning.
	wiped bool
}

// siteServers are servers that a test wants otherwise than usual.
type siteServers struct {
	broker, redis []testenv.Option
	database      string // URL; "": one in the shared cluster
	maxBytes      int64
}

// newSite starts a broker and a Redis and makes a database.
func newSite(t testing.TB, o siteServers) *site {
	t.Helper()
	if o.database == "" {
		o.database = testenv.Database(t)
	}
	s := &site{t: t, broker: testenv.Mosquitto(t, o.broker...), redis: testenv.Redis(t, o.redis...)}
	s.pool = newPool(t, o.database)
	id, err := postgres.Facility(t.Context(), s.pool, facility)
	if err != nil {
		t.Fatal(err)
	}
	s.queue, err = redisq.Open(t.Context(), redisq.Config{URL: s.redis.URL(), Facility: facility})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.queue.Close)
	s.settings = settings{
		Broker: s.broker.URL(), Redis: s.redis.URL(), Database: o.database, FacilityID: id, MaxBytes: o.maxBytes,
		LeaseTTL: 600 * time.Millisecond, ClaimTTL: 600 * time.Millisecond, CallTimeout: time.Second,
	}
	return s
}

// newPool migrates a database and makes the table of the keyless route.
func newPool(t testing.TB, url string) *pgxpool.Pool {
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

// start starts a router.
func (s *site) start() *router {
	s.t.Helper()
	return startRouter(s.t, s.settings)
}

// startDoomed starts a router with a fate.
func (s *site) startDoomed(f fate) *router {
	s.t.Helper()
	settings := s.settings
	settings.Die = f
	return startRouter(s.t, settings)
}

// startLeading starts a router and waits until it reads the broker, so that the
// broker knows the session: before that it would lose what is published.
func (s *site) startLeading() *router {
	s.t.Helper()
	r := s.start()
	r.awaitLeading()
	return r
}

// load starts devices that publish to the site's broker.
func (s *site) load(plan loadPlan) *load {
	s.t.Helper()
	return startLoad(s.t, s.broker.Addr(), plan)
}

// status returns the state of a queue.
func (s *site) status(queue string) (sluice.QueueStatus, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	return s.queue.Status(ctx, queue)
}

// mustStatus returns the state of a queue that must answer.
func (s *site) mustStatus(queue string) sluice.QueueStatus {
	s.t.Helper()
	st, err := s.status(queue)
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

// awaitStatus waits until a queue's state is as wanted.
func (s *site) awaitStatus(queue, what string, ok func(sluice.QueueStatus) bool) {
	s.t.Helper()
	eventually(s.t, patience, func() error {
		st, err := s.status(queue)
		if err == nil && !ok(st) {
			err = fmt.Errorf("%s: not yet %s: %+v", queue, what, st)
		}
		return err
	})
}

// awaitReceived waits until the queue has received n more messages than now.
func (s *site) awaitReceived(queue string, n int64) {
	s.t.Helper()
	s.awaitMore("messages received", n, func() (int64, error) {
		st, err := s.status(queue)
		return st.Account.Received, err
	})
}

// awaitRows waits until data.sensor has n more rows than now.
func (s *site) awaitRows(n int64) {
	s.t.Helper()
	s.awaitMore("rows", n, s.rows)
}

// awaitMore waits until a count is by n higher than when it was first had.
// Errors are waited out: a server that is coming back may not answer yet.
func (s *site) awaitMore(what string, n int64, count func() (int64, error)) {
	s.t.Helper()
	first := int64(-1)
	eventually(s.t, patience, func() error {
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

// rows returns how many rows the site has, by the facility's counter.
func (s *site) rows() (n int64, err error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	err = s.pool.QueryRow(ctx, "SELECT last_id FROM sluice.entry_counter WHERE facility_id = $1", s.settings.FacilityID).Scan(&n)
	return n, err
}
