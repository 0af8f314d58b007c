package doortest

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"sluice/app"
	"sluice/internal/outagekit"
	"sluice/internal/testenv"
)

// outageProof is a run of devices that move between the replicas of a site.
type outageProof struct {
	*outagekit.Proof

	site *site
}

// inherited is how long after the end of a replica nobody is judged: its lease runs
// out, the others make sure of it, and its devices have their grace.
func (p *outageProof) inherited() time.Duration { return 15*time.Second + p.Plan.Grace }

// noticed is how long a silent connection may go unnoticed: 1.5 times the keepalive of
// 2 s, and up to two ticks.
const noticed = 5 * time.Second

// resumed is how long after the store is back an append that failed may wait for its
// next try, on top of what was not noticed meanwhile.
const resumed = noticed + 5*time.Second

func newOutageProof(t *testing.T, plan outagekit.Plan) *outageProof {
	plan.KeepAlive, plan.AnswerWithin = 2*time.Second, 3*time.Second
	stub := outagekit.NewStub(t)
	s := newSite(t, sitePlan{
		grace: plan.Grace, silent: plan.Silent, more: fmt.Sprintf("notify: [{kind: webhook, url: %q}]\n", stub.URL+"/hook"),
	})
	p := &outageProof{site: s, Proof: &outagekit.Proof{T: t, Plan: plan, Stub: stub, Database: s.url}}
	p.Admin = s.open
	return p
}

// open returns a replica whose door is open.
func (s *site) open() (admin *app.AdminClient) {
	s.t.Helper()
	testenv.Eventually(s.t, patience, func() error {
		for _, r := range s.replicas {
			if status, err := r.status(s.t); err == nil && status.Leading {
				admin = r.admin
				return nil
			}
		}
		return fmt.Errorf("no door is open")
	})
	return admin
}

// killed ends replicas at the same moment as a power cut would, and starts them.
func (p *outageProof) killed(at time.Duration, numbers ...int) outagekit.Fault {
	return outagekit.Fault{
		At: at, Name: fmt.Sprintf("%d of %d replicas killed", len(numbers), len(p.site.replicas)), Lasts: p.inherited(),
		Do: func() {
			for _, i := range numbers {
				p.site.replicas[i].Signal(syscall.SIGKILL)
			}
			for _, i := range numbers {
				p.site.replicas[i].AwaitKilled()
				p.site.replicas[i].start()
			}
		},
	}
}

func (p *outageProof) drained(at time.Duration, number int) outagekit.Fault {
	return outagekit.Fault{At: at, Name: "a replica told to end", Lasts: 2*time.Second + p.Plan.Grace, Do: func() {
		p.site.replicas[number].Terminate()
		p.site.replicas[number].start()
	}}
}

// stopped lets a replica stand still for less than its lease.
func (p *outageProof) stopped(at, d time.Duration, number int) outagekit.Fault {
	return outagekit.Fault{At: at, Name: fmt.Sprintf("a replica stopped for %v", d), Lasts: noticed, Do: func() {
		p.site.replicas[number].Signal(syscall.SIGSTOP)
		pass(p, d)
		p.site.replicas[number].Signal(syscall.SIGCONT)
	}}
}

// wound lets a replica stand still until another has wound it up.
func (p *outageProof) wound(at time.Duration, number int) outagekit.Fault {
	return outagekit.Fault{At: at, Name: "a replica stopped for longer than its lease", Lasts: p.Plan.Grace + noticed, Do: func() {
		p.site.standStill(p.site.replicas[number], p.site.replicas[1-number])
	}}
}

// silent lets half of the connections fall silent: both ends believe in them.
func (p *outageProof) silent(at, d time.Duration) outagekit.Fault {
	return outagekit.Fault{At: at, Name: fmt.Sprintf("half of the connections silent for %v", d), Lasts: noticed, Do: func() {
		p.Logf("%d connections are held", p.site.link.Freeze(2))
		pass(p, d)
		p.site.link.Thaw()
	}}
}

func (p *outageProof) storeStopped(at, d time.Duration) outagekit.Fault {
	return outagekit.Fault{At: at, Name: fmt.Sprintf("Redis stopped for %v", d), Lasts: resumed, Do: func() {
		p.site.redis.Pause()
		pass(p, d)
		p.site.redis.Resume()
	}}
}

func (p *outageProof) storeDown(at, d time.Duration) outagekit.Fault {
	return outagekit.Fault{At: at, Name: fmt.Sprintf("Redis down for %v", d), Lasts: resumed, Do: func() {
		p.site.redis.Kill()
		pass(p, d)
		p.site.redis.Start()
	}}
}

func (p *outageProof) databaseDown(at, d time.Duration) outagekit.Fault {
	return outagekit.Fault{At: at, Name: fmt.Sprintf("PostgreSQL down for %v", d), Lasts: 0, Do: func() {
		p.site.database.Stop(syscall.SIGINT)
		pass(p, d)
		p.site.database.Start()
	}}
}

// No outage is missed, none is told that was none, none is told twice, while devices
// move between the replicas and the replicas come and go: compared with what the
// devices know that they did. A device that is back before anybody could judge it is
// counted apart.
func TestDoor_OutagesOverTwoReplicas_AreTrue(t *testing.T) {
	if !full() {
		t.Skip("make door-proof runs it: its 64 devices and their clocks need a machine to themselves")
	}
	proveFull(t)
}

// proveFull has 3 drops a device: one that is gone more often flaps, and is not
// reported each time.
func proveFull(t *testing.T) {
	p := newOutageProof(t, outagekit.Plan{
		Devices: 450, Drops: 1350, Mutes: 20, Over: 400 * time.Second,
		Delay: 4 * time.Second, Silent: 10 * time.Second, Grace: 12 * time.Second, Every: 3 * time.Second,
	})
	p.Check(p.Run(p.site.link.Addr(), []outagekit.Fault{
		p.killed(25*time.Second, 0),
		p.stopped(70*time.Second, 5*time.Second, 1),
		p.wound(95*time.Second, 1),
		p.drained(145*time.Second, 0),
		p.silent(180*time.Second, 8*time.Second),
		p.killed(210*time.Second, 0, 1),
		p.storeStopped(260*time.Second, 6*time.Second),
		p.storeDown(290*time.Second, 6*time.Second),
		p.databaseDown(320*time.Second, 30*time.Second),
		p.killed(360*time.Second, 1),
	}))
	t.Log(p.Stats())
}
