package pathtest

import (
	"testing"
	"time"

	"sluice/internal/pathload"
	"sluice/internal/testenv"
)

// site is the servers of one test and what the routers under test need to know.
type site struct {
	*pathload.Ledger

	t      testing.TB
	broker *testenv.Server
	redis  *testenv.Server
	// settings are those of the routers that start returns.
	settings settings
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
	s.Ledger = pathload.OpenLedger(t, o.database, s.redis.URL(), facility)
	s.settings = settings{
		Broker: s.broker.URL(), Redis: s.redis.URL(), Database: o.database, FacilityID: s.FacilityID, MaxBytes: o.maxBytes,
		LeaseTTL: 600 * time.Millisecond, ClaimTTL: 600 * time.Millisecond, CallTimeout: time.Second,
	}
	return s
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
func (s *site) load(plan pathload.Plan) *pathload.Load {
	s.t.Helper()
	return pathload.Start(s.t, pathload.Link{Address: s.broker.Addr()}, plan)
}
