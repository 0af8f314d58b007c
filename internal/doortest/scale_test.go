package doortest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"sluice/app"
	"sluice/internal/outagekit"
	"sluice/internal/testenv"
)

// scale is how many devices, how many of them stay away, and from how many addresses
// they come.
type scale struct {
	devices, away, addresses int
	watch                    time.Duration // while they are idle; 0: not
	within                   time.Duration // for the return of all; 0: only told
	delay                    time.Duration // of their last wills
}

// atOnce is how soon all must be back.
const atOnce = 10 * time.Second

// Ten thousand idle devices take 256 MiB and 3 % of a core at most; when all lose their
// connections at once they are back within 10 s; those that stay away are told once,
// and nobody else. In the suite there are a thousand, and what the race detector
// multiplies is not looked at.
func TestDoor_ThousandsOfIdleDevices_TakeLittleAndReturnAtOnce(t *testing.T) {
	if !full() {
		t.Parallel()
		proveScale(t, scale{devices: 1000, away: 5, addresses: 1, watch: 3 * time.Second, within: atOnce, delay: 15 * time.Second})
		return
	}
	t.Run("from 10 addresses", func(t *testing.T) {
		proveScale(t, scale{devices: 10_000, away: 20, addresses: 10, watch: time.Minute, within: atOnce, delay: 15 * time.Second})
	})
	// As behind a balancer: the default connect_rate must not be in their way.
	t.Run("from one address", func(t *testing.T) {
		proveScale(t, scale{devices: 10_000, away: 20, addresses: 1, within: atOnce, delay: 15 * time.Second})
	})
}

func proveScale(t *testing.T, x scale) {
	t.Helper()
	needFiles(t, x.devices)
	stub := outagekit.NewStub(t)
	s := newSite(t, sitePlan{replicas: 1, more: fmt.Sprintf("notify: [{kind: webhook, url: %q}]\n", stub.URL)})
	c := newCrowd(t, s.replicas[0].address, x)
	t.Logf("load of the machine %s; %d devices first in: %s", loadOf(), x.devices, c.enter(c.members))
	s.awaitDevices("up", func(st app.Status) int64 { return st.Devices.Up }, int64(x.devices))
	if x.watch > 0 {
		s.watchIdle(c, x.watch)
	}

	c.cut()
	var back entry
	router, store := s.spent(func() { back = c.enter(c.members[x.away:]) })
	now, most := memoryOf(t, s.replicas[0].PID())
	t.Logf("load %s; all cut at once and %d back: %s, %d tries in vain; CPU: router %.1f s, Redis %.1f s; router %d MiB, %d at most",
		loadOf(), x.devices-x.away, back, c.retries.Load(), router.Seconds(), store.Seconds(), now>>20, most>>20)
	if x.within > 0 && back.connected > x.within {
		t.Errorf("the last has its CONNACK after %v, want at most %v", back.connected, x.within)
	}
	if !raceEnabled && most > mostMemory {
		t.Errorf("%d MiB at most, want at most %d", most>>20, mostMemory>>20)
	}
	s.onlyTold(stub, c.members[:x.away])
}

func (e entry) String() string {
	const unit = 10 * time.Millisecond
	return fmt.Sprintf("last CONNACK after %v, last announced after %v", e.connected.Round(unit), e.announced.Round(unit))
}

// spent returns the CPU time of the replica and of Redis while something is done.
func (s *site) spent(do func()) (router, store time.Duration) {
	s.t.Helper()
	router, store = cpuOf(s.t, s.replicas[0].PID()), cpuOf(s.t, s.redis.PID())
	do()
	return cpuOf(s.t, s.replicas[0].PID()) - router, cpuOf(s.t, s.redis.PID()) - store
}

// watchIdle measures the replica while devices do nothing but ping.
func (s *site) watchIdle(c *crowd, d time.Duration) {
	s.t.Helper()
	began, pings := time.Now(), 0
	router, store := s.spent(func() { pings = c.idle(d) })
	took := time.Since(began)
	share := func(used time.Duration) float64 { return 100 * used.Seconds() / took.Seconds() }
	now, most := memoryOf(s.t, s.replicas[0].PID())
	s.t.Logf("load %s; %d idle for %.0f s, %d pings: router %.2f %% of a core, Redis %.2f %%; router %d MiB, %d at most",
		loadOf(), len(c.members), took.Seconds(), pings, share(router), share(store), now>>20, most>>20)
	if raceEnabled {
		return
	}
	if share(router) >= 3 {
		s.t.Errorf("%.2f %% of a core, want less than 3", share(router))
	}
	if most > mostMemory {
		s.t.Errorf("%d MiB at most, want at most %d", most>>20, mostMemory>>20)
	}
}

// onlyTold waits until these devices are down and checks that the outage of each was
// written and reported once, and nobody else's.
func (s *site) onlyTold(stub *outagekit.Stub, away []*member) {
	s.t.Helper()
	s.awaitDevices("down", func(st app.Status) int64 { return st.Devices.Down }, int64(len(away)))
	s.awaitDevices("suspect", func(st app.Status) int64 { return st.Devices.Suspect }, 0)
	told := map[string]int{}
	testenv.Eventually(s.t, patience, func() error {
		told = outagesIn(s.t, stub.Accepted())
		rows := s.number(`SELECT count(*) FROM data.outage WHERE cause = 'lwt'`)
		if len(told) < len(away) || rows < int64(len(away)) {
			return fmt.Errorf("%d devices reported, %d rows in data.outage, want %d", len(told), rows, len(away))
		}
		return nil
	})
	for _, m := range away {
		if told[m.name] != 1 {
			s.t.Errorf("%s was reported %d times, want once", m.name, told[m.name])
		}
	}
	if rows := s.number(`SELECT count(*) FROM data.outage`); len(told) != len(away) || rows != int64(len(away)) {
		s.t.Errorf("%d devices were reported, %d outages written, want %d: %v", len(told), rows, len(away), told)
	}
	s.t.Logf("%d stayed away: each reported once, nobody else", len(away))
}

// outagesIn counts the outages of each device in reports.
func outagesIn(t testing.TB, posts []outagekit.Post) map[string]int {
	t.Helper()
	told := map[string]int{}
	for _, p := range posts {
		var report struct{ Outages []struct{ Device string } }
		if err := json.Unmarshal(p.Body, &report); err != nil {
			t.Fatal(err)
		}
		for _, o := range report.Outages {
			told[o.Device]++
		}
	}
	return told
}
