package pathtest

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"sluice/internal/pathload"
	"sluice/internal/testenv"
)

// Everything but the broker dies or stands still, at random, often several at a
// time, while two routers share the work.
func TestPath_EverythingKilledAtRandom_StoresOnce(t *testing.T) {
	t.Parallel()
	database := testenv.Postgres(t)
	s := newSite(t, siteServers{database: database.Database()})
	link := testenv.Proxy(t, s.broker.Addr())
	s.settings.Broker = "mqtt://" + link.Addr()
	routers := []*router{s.startLeading(), s.start()}
	l := s.load(pathload.Plan{Spoil: spoiled, SpoilEvery: 20})

	shortly := func() { pass(t, rand.N(200*time.Millisecond)) }
	faults := map[string]func(){
		"a router is killed": func() {
			i := rand.N(len(routers))
			routers[i].Kill()
			shortly()
			routers[i] = s.start()
		},
		"a router stands still": func() {
			r := routers[rand.N(len(routers))]
			r.Signal(syscall.SIGSTOP)
			pass(t, rand.N(1500*time.Millisecond))
			r.Signal(syscall.SIGCONT)
		},
		"Redis is killed": func() {
			s.redis.Kill()
			shortly()
			s.redis.Start()
		},
		"Redis stands still": func() {
			s.redis.Pause()
			pass(t, rand.N(1500*time.Millisecond))
			s.redis.Resume()
		},
		"PostgreSQL is killed": func() {
			database.Kill()
			shortly()
			database.Start()
		},
		"PostgreSQL stands still": func() {
			database.Pause()
			shortly()
			database.Resume()
		},
		"the link to the broker breaks": link.Reset,
	}
	counts := map[string]int{}
	rounds := testenv.Number(t, "PATHTEST_STORMS", 3)
	for range rounds {
		for name, fault := range faults { // in random order
			shortly()
			fault()
			counts[name]++
		}
		s.AwaitRows(1)
	}
	sent := l.Finish()
	s.Verify(sent)
	for _, r := range routers {
		r.Terminate()
	}
	t.Logf("faults: %v", counts)
}
