package doortest

import (
	"fmt"
	"testing"
	"time"

	"sluice/internal/pathload"
)

// attacks are what the door must stand.
var attacks = []struct {
	name string
	run  func(*siege)
}{
	{"half-open connections", (*siege).halfOpen},
	{"slow-loris CONNECTs", (*siege).slowLoris},
	{"malformed packets", (*siege).malformed},
	{"truncated packets", (*siege).truncated},
	{"oversized packets", (*siege).oversized},
	{"floods of CONNECTs", (*siege).flood},
	{"devices that never read a PUBACK", (*siege).deaf},
}

// abuse is a run of all attacks.
type abuse struct {
	t       *testing.T
	site    *site
	load    *steady
	size    int           // of the attacks
	windows int           // before, during and after each
	length  time.Duration // of a window
	judged  bool          // whether time is
	calm    []window      // before the next attack
}

// Whatever strangers do, the door stays up, takes little memory, and those who behave
// lose nothing and are not slowed down beyond twice their time. In the suite it is a
// tenth of the attack, and time is not judged: the machine runs other tests. Nor is it
// without gather, where those who behave wait for nothing but a processor, and the
// attackers take one from them: that is only told.
func TestDoor_Abuse_HarmsNobodyElse(t *testing.T) {
	if !full() {
		t.Parallel()
		newAbuse(t, sitePlan{replicas: 1}, &abuse{size: 1000, windows: 1, length: time.Second}).prove(5, 50*time.Millisecond)
		return
	}
	for _, c := range []struct {
		name, more string
		judged     bool
	}{
		{"as it is shipped", "", true},
		{"gather 0s", "gather: 0s\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &abuse{size: 10_000, windows: 3, length: 3 * time.Second, judged: c.judged}
			newAbuse(t, sitePlan{replicas: 1, more: c.more}, a).prove(20, 20*time.Millisecond)
		})
	}
}

func newAbuse(t *testing.T, plan sitePlan, a *abuse) *abuse {
	t.Helper()
	needFiles(t, a.size)
	a.t, a.site = t, newSite(t, plan)
	return a
}

func (a *abuse) prove(devices int, interval time.Duration) {
	a.t.Helper()
	r := a.site.replicas[0]
	a.load = startSteady(a.t, r.address, devices, interval)
	a.load.watch(r.PID(), a.length) // warms up
	a.calm = a.watch()
	a.t.Logf("load of the machine %s; before: %v", loadOf(), median(a.calm))
	for _, attack := range attacks {
		a.endure(attack.name)
	}
	acked := a.load.finish()
	a.stored(acked)
	if r.Gone() || r.Logged(msgOpen) != 1 || r.Logged("panic") > 0 {
		a.t.Errorf("the door did not stay open: opened %d times, %d panics", r.Logged(msgOpen), r.Logged("panic"))
	}
	now, most := memoryOf(a.t, r.PID())
	a.t.Logf("%d messages acknowledged, as many rows; router %d MiB, %d at most", acked, now>>20, most>>20)
	if !raceEnabled && most > mostMemory {
		a.t.Errorf("%d MiB at most, want at most %d", most>>20, mostMemory>>20)
	}
}

// watch measures some windows.
func (a *abuse) watch() (ws []window) {
	a.t.Helper()
	for range a.windows {
		ws = append(ws, a.load.watch(a.site.replicas[0].PID(), a.length))
	}
	return ws
}

// endure measures an attack between two times of calm, and judges the medians. One
// that was too slow is tried again, twice at most: what else the machine did then does
// not come three times at the right moment, and a fault of the door does.
func (a *abuse) endure(name string) {
	a.t.Helper()
	const tries = 3
	for try := range tries {
		end := startSiege(a.t, siegePlan{name, a.site.replicas[0].address, a.size})
		during := median(a.watch())
		now, _ := memoryOf(a.t, a.site.replicas[0].PID())
		did := end()
		after := a.watch()
		calm := median(append(a.calm, after...))
		a.calm = after
		a.t.Logf("load %s; %s (%s): %v; without: %v; router %d MiB", loadOf(), name, did, during, calm, now>>20)
		if !a.judged || during.within(calm) {
			return
		}
		a.t.Logf("that is more than twice, try %d of %d", try+1, tries)
	}
	a.t.Errorf("%s: those who behave were slowed down beyond twice their time", name)
}

// within tells whether those who behave were not slowed down beyond twice their time.
func (w window) within(calm window) bool {
	return w.p50 <= twice(calm.p50) && w.p99 <= twice(calm.p99) && 2*w.rate >= calm.rate
}

// twice is the limit of a latency. Below 10 ms it is the scheduler's: the door, what it
// writes to, those who behave and those who do not share a core or two.
func twice(calm time.Duration) time.Duration { return max(2*calm, 10*time.Millisecond) }

// stored waits until what was acknowledged to the well-behaved is stored, each once.
func (a *abuse) stored(acked int) {
	a.t.Helper()
	pathload.Eventually(a.t, patience, func() error {
		if rows := a.site.number("SELECT count(*) FROM data.sensor WHERE device LIKE 'steady-%'"); rows != int64(acked) {
			return fmt.Errorf("%d rows of %d messages acknowledged", rows, acked)
		}
		return nil
	})
}
