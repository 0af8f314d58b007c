package outagetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sluice/app"
	"sluice/bench"
	"sluice/device"
	"sluice/internal/outagekit"
	"sluice/internal/process"
	"sluice/internal/testenv"
	"sluice/mqtt"
	"sluice/store/postgres"
)

// proof is one run of the outage proof: routers, devices that drop and come back
// on a schedule, and faults.
type proof struct {
	*outagekit.Proof

	plan                    proofPlan
	broker, redis, database *testenv.Server
	dir                     string
	routers                 []*router
}

// proofPlan sizes a run.
type proofPlan struct {
	outagekit.Plan

	backlog int
	faults  []fault
}

// fault is something broken on purpose, at a time since the beginning.
type fault struct {
	at   time.Duration
	name string
	do   func(*proof)
}

// router is one of the batch-routers.
type router struct {
	*process.Process

	config string
	client *app.AdminClient
}

func (p *proof) newRouter(i int) *router {
	dir := filepath.Join(p.dir, fmt.Sprint(i))
	must(p, os.MkdirAll(dir, 0o755))
	path := filepath.Join(dir, "sluice.yaml")
	text := fmt.Sprintf(`facility: plant-1
broker: {url: %q, user: ""}
queue: {redis: {url: %q}}
store: {postgres: {url: %q}}
routes:
  - {topic: [data/sensor, "data/sensor/{device}"], sink: sensor, silent_after: %s}
  - {topic: bulk/sensor, sink: sensor}
presence: {reconnect_grace: %s}
notify:
  - {kind: webhook, url: %q}
  - {kind: groupme, bot_id: bot-1, url: %q}
admin: admin.sock
metrics: {batch_router: off}
`, p.broker.URL(), p.redis.URL(), p.Database, p.Plan.Silent, p.Plan.Grace, p.Stub.URL+"/hook", p.Stub.URL)
	must(p, os.WriteFile(path, []byte(text), 0o600))
	r := &router{config: path, client: app.NewAdminClient(filepath.Join(dir, "admin.sock"))}
	r.start(p)
	return r
}

func (r *router) start(p *proof) { r.Process = process.Start(p, envRouter, r.config) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// leader returns the router that reads the broker.
func (p *proof) leader() *router {
	p.Helper()
	var leader *router
	testenv.Eventually(p, outagekit.Patience, func() error {
		for _, r := range p.routers {
			ctx, cancel := context.WithTimeout(p.Context(), time.Second)
			s, err := r.client.Status(ctx)
			cancel()
			if err == nil && s.Leading {
				leader = r
				return nil
			}
		}
		return fmt.Errorf("no router leads")
	})
	return leader
}

func newProof(t *testing.T, plan proofPlan) *proof {
	p := &proof{Proof: &outagekit.Proof{T: t, Plan: plan.Plan, Stub: outagekit.NewStub(t), Probe: probe}, plan: plan}
	p.Admin = func() *app.AdminClient { return p.leader().client }
	p.broker, p.redis, p.database = testenv.Mosquitto(t), testenv.Redis(t), testenv.Postgres(t)
	p.Database = p.database.Database()
	_, _, err := postgres.Migrate(t.Context(), p.Database)
	must(p, err)
	// The path of a socket must be short.
	p.dir, err = os.MkdirTemp("", "proof")
	must(p, err)
	t.Cleanup(func() { _ = os.RemoveAll(p.dir) })
	for i := range 3 {
		p.routers = append(p.routers, p.newRouter(i))
		p.leader() // before the devices: what is published to nobody is lost
	}
	return p
}

// The faults.

func killLeader(p *proof) {
	r := p.leader()
	r.Kill()
	p.leader()
	r.start(p)
}

func stopLeader(d time.Duration) func(*proof) {
	return func(p *proof) {
		r := p.leader()
		r.Signal(syscall.SIGSTOP)
		outagekit.Until(p, time.Now().Add(d))
		r.Signal(syscall.SIGCONT)
		p.leader()
	}
}

func redisDown(d time.Duration) func(*proof) {
	return func(p *proof) {
		p.redis.Stop(syscall.SIGTERM)
		outagekit.Until(p, time.Now().Add(d))
		p.redis.Start()
	}
}

func redisStopped(d time.Duration) func(*proof) {
	return func(p *proof) {
		p.redis.Pause()
		outagekit.Until(p, time.Now().Add(d))
		p.redis.Resume()
	}
}

func databaseDown(p *proof) {
	p.database.Stop(syscall.SIGINT)
	outagekit.Until(p, time.Now().Add(3*p.Plan.Silent))
	p.database.Start()
}

// backlog stops all routers and publishes readings of others, so that what the
// devices say waits behind them.
func backlog(p *proof) {
	for _, r := range p.routers {
		r.Signal(syscall.SIGSTOP)
	}
	b, err := bench.New(bench.Config{Address: p.broker.Addr(), Messages: p.plan.backlog, Topic: "bulk/sensor"})
	must(p, err)
	_, err = b.Run(p.Context())
	must(p, err)
	for _, r := range p.routers {
		r.Signal(syscall.SIGCONT)
	}
	p.leader()
	p.prompt(int64(p.plan.backlog))
}

// probe is a device of the test's own, which the truth does not know.
const probe = "probe"

// prompt waits until so many readings of others have come, and then until an
// outage is judged within a second: after a flood Mosquitto reads what the router
// sends, acknowledgements and markers, one packet a turn (docs/adr/002).
func (p *proof) prompt(n int64) {
	leader := p.leader()
	testenv.Eventually(p, 5*time.Minute, func() error {
		s, err := leader.client.Status(p.Context())
		if err != nil {
			return err
		}
		for _, q := range s.Queues {
			if q.Queue == "bulk/sensor" && q.Account.Received < n {
				return fmt.Errorf("%d of %d received", q.Account.Received, n)
			}
		}
		return nil
	})
	publisher, err := mqtt.NewPublisher(mqtt.Config{URL: p.broker.URL()})
	must(p, err)
	defer publisher.Close()
	for took := time.Minute; took > 2*time.Second; {
		began := time.Now()
		for _, m := range []struct {
			topic   string
			payload []byte
		}{{"connect", connectMessage(probe)}, {"lwt", willMessage(probe, 1)}} {
			_, err := publisher.Publish(p.Context(), m.topic, m.payload, 1)
			must(p, err)
		}
		testenv.Eventually(p, time.Minute, func() error { return p.isDown(leader, probe, began) })
		took = time.Since(began)
	}
}

// isDown tells whether a device has gone down since a time.
func (p *proof) isDown(leader *router, name string, since time.Time) error {
	for cursor, more := "", true; more; more = cursor != "" {
		page, err := leader.client.Devices(p.Context(), cursor)
		if err != nil {
			return err
		}
		for _, d := range page.Devices {
			if d.Device == name && d.State == "down" && d.Down.After(since) {
				return nil
			}
		}
		cursor = page.Next
	}
	return fmt.Errorf("%s is not down", name)
}

func brokerRestart(sig syscall.Signal) func(*proof) {
	return func(p *proof) {
		from := time.Now()
		p.broker.Stop(sig)
		p.broker.Start()
		p.leader()
		// The first uptime comes up to 11 s later, and the grace begins with it.
		// Outages of this time are told late, and not all for sure.
		outagekit.Until(p, time.Now().Add(p.Plan.Grace+11*time.Second))
		p.Restarts = append(p.Restarts, device.Period{From: from.Add(-p.Plan.Delay), To: time.Now().Add(2 * time.Second)})
	}
}

// full is the plan of `make outage-proof`.
func full() proofPlan {
	return proofPlan{
		Plan: outagekit.Plan{
			Devices: 500, Drops: 2000, Mutes: 30, Over: 330 * time.Second,
			Delay: 4 * time.Second, Silent: 8 * time.Second, Grace: 12 * time.Second, Every: 3 * time.Second,
		},
		backlog: 1_000_000,
		faults: []fault{
			{25 * time.Second, "router killed", killLeader},
			{55 * time.Second, "router stopped for 5 s, less than its lease", stopLeader(5 * time.Second)},
			{75 * time.Second, "router stopped for 14 s, more than its lease", stopLeader(14 * time.Second)},
			{105 * time.Second, "Redis down for 6 s", redisDown(6 * time.Second)},
			{130 * time.Second, "Redis stopped for 6 s", redisStopped(6 * time.Second)},
			{150 * time.Second, "PostgreSQL down for 3 x silent_after", databaseDown},
			{185 * time.Second, "a million readings ahead", backlog},
			{270 * time.Second, "broker restarted (SIGTERM)", brokerRestart(syscall.SIGTERM)},
			{300 * time.Second, "broker killed (SIGKILL)", brokerRestart(syscall.SIGKILL)},
		},
	}
}

// short is what every run of the tests can afford.
func short() proofPlan {
	return proofPlan{
		Plan: outagekit.Plan{
			Devices: 60, Drops: 150, Mutes: 4, Over: 62 * time.Second,
			Delay: 3 * time.Second, Silent: 6 * time.Second, Grace: 10 * time.Second, Every: 2 * time.Second,
		},
		backlog: 20_000,
		faults: []fault{
			{8 * time.Second, "router killed", killLeader},
			{26 * time.Second, "Redis stopped for 4 s", redisStopped(4 * time.Second)},
			{34 * time.Second, "20 000 readings ahead", backlog},
			{42 * time.Second, "broker killed (SIGKILL)", brokerRestart(syscall.SIGKILL)},
		},
	}
}

// No outage is missed, none is told that was none, none is told twice, whatever
// is killed, stopped or restarted meanwhile: compared with what the devices know
// that they did. OUTAGE_PROOF=full is the long run.
func TestProof_OutagesAreTrue(t *testing.T) {
	plan := short()
	if os.Getenv("OUTAGE_PROOF") == "full" {
		plan = full()
	} else {
		t.Parallel()
	}
	p := newProof(t, plan)
	p.Check(p.Run(p.broker.Addr(), p.bind(plan.faults)))
	if n := len(p.Stub.With("plant-1")); n == 0 {
		t.Error("GroupMe got no report")
	}
}

// bind makes the faults those of this run.
func (p *proof) bind(faults []fault) (bound []outagekit.Fault) {
	for _, f := range faults {
		bound = append(bound, outagekit.Fault{At: f.at, Name: f.name, Do: func() { f.do(p) }})
	}
	return bound
}
