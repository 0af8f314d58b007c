package outagetest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice"
	"sluice/app"
	"sluice/bench"
	"sluice/device"
	"sluice/internal/process"
	"sluice/internal/testenv"
	"sluice/mqtt"
	"sluice/store/postgres"
)

// proof is one run of the outage proof: routers, devices that drop and come back
// on a schedule, and faults.
type proof struct {
	*testing.T
	plan proofPlan

	broker, redis, database *testenv.Server
	url                     string // of the database
	stub                    *stub
	dir                     string
	routers                 []*router
	fleet                   *device.Fleet
	began                   time.Time
	faults                  []window
	restarts                []device.Period
}

// proofPlan sizes a run.
type proofPlan struct {
	devices, drops, mutes int
	over                  time.Duration
	delay, silent, grace  time.Duration
	every                 time.Duration // between readings
	backlog               int
	faults                []fault
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
	p.must(os.MkdirAll(dir, 0o755))
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
`, p.broker.URL(), p.redis.URL(), p.url, p.plan.silent, p.plan.grace, p.stub.URL+"/hook", p.stub.URL)
	p.must(os.WriteFile(path, []byte(text), 0o600))
	r := &router{config: path, client: app.NewAdminClient(filepath.Join(dir, "admin.sock"))}
	r.start(p)
	return r
}

func (r *router) start(p *proof) { r.Process = process.Start(p, envRouter, r.config) }

func (p *proof) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// leader returns the router that reads the broker.
func (p *proof) leader() *router {
	p.Helper()
	var leader *router
	testenv.Eventually(p, patience, func() error {
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
	p := &proof{T: t, plan: plan, stub: newStub(t)}
	p.broker, p.redis, p.database = testenv.Mosquitto(t), testenv.Redis(t), testenv.Postgres(t)
	p.url = p.database.Database()
	_, _, err := postgres.Migrate(t.Context(), p.url)
	p.must(err)
	// The path of a socket must be short.
	p.dir, err = os.MkdirTemp("", "proof")
	p.must(err)
	t.Cleanup(func() { _ = os.RemoveAll(p.dir) })
	for i := range 3 {
		p.routers = append(p.routers, p.newRouter(i))
		p.leader() // before the devices: what is published to nobody is lost
	}
	return p
}

// run lets the schedule pass and returns the truth.
func (p *proof) run() []device.Outage {
	drops, err := device.RandomDrops(device.Plan{
		Seed: 7, Devices: p.plan.devices, Count: p.plan.drops, Over: p.plan.over, Delay: p.plan.delay,
		Inside: 4, Near: 4, After: 2,
	})
	p.must(err)
	for i := range p.plan.mutes { // of devices of their own
		drops = append(drops, device.Drop{
			Device: p.plan.devices + 1 + i, At: 12*time.Second + p.plan.over*time.Duration(i)/time.Duration(p.plan.mutes), Away: 3 * p.plan.silent, Mute: true,
		})
	}
	p.fleet, err = device.New(device.Config{
		Address: p.broker.Addr(), Count: p.plan.devices + p.plan.mutes, Delay: p.plan.delay, Interval: p.plan.every,
		Drops: drops, Truth: device.NewTruthLog(nil),
	})
	p.must(err)
	ctx, stop := context.WithCancel(p.Context())
	done := make(chan struct{})
	p.began = time.Now()
	go func() {
		defer close(done)
		_ = p.fleet.Run(ctx)
	}()
	for _, f := range p.plan.faults {
		until(p, p.began.Add(f.at))
		from := time.Now()
		f.do(p)
		p.faults = append(p.faults, window{f.name, from, time.Now()})
		p.Logf("%6.1f s: %s, %.1f s", from.Sub(p.began).Seconds(), f.name, time.Since(from).Seconds())
	}
	until(p, p.began.Add(p.plan.over+p.plan.delay+p.plan.silent+p.plan.grace))
	end := time.Now()
	p.settle()
	stop()
	<-done
	return device.Outages(p.fleet.Truth(), device.Observer{
		Delay: p.plan.delay, Guard: 400 * time.Millisecond, Silent: p.plan.silent, Every: p.plan.every + 2*time.Second, Restarts: p.restarts, Until: end,
	})
}

// until waits for a time that has to come.
func until(p *proof, at time.Time) {
	select {
	case <-time.After(time.Until(at)):
	case <-p.Context().Done():
	}
}

// settle waits until every queue of presence is empty.
func (p *proof) settle() {
	p.Helper()
	leader := p.leader()
	testenv.Eventually(p, 2*time.Minute, func() error {
		s, err := leader.client.Status(p.Context())
		if err != nil {
			return err
		}
		for _, q := range s.Queues {
			if q.Queued() > 0 && (strings.HasPrefix(q.Queue, "$") || q.Queue == sluice.QueueEvents) && q.Queue != sluice.QueueDevices {
				return fmt.Errorf("%s has %d messages", q.Queue, q.Queued())
			}
			if q.Balance() != 0 {
				return fmt.Errorf("the account of %s is off by %d", q.Queue, q.Balance())
			}
		}
		return nil
	})
}

// told returns the outages that a receiver was told of, and how many restarts.
func (p *proof) told(path string) (all []told, restarts int) {
	ids := map[string]bool{}
	for _, x := range p.stub.accepted() {
		if x.path != path || ids[x.id] { // the same report again says so by its id
			continue
		}
		ids[x.id] = true
		var report struct {
			Outages, Flapping []struct {
				Device string    `json:"device"`
				Down   time.Time `json:"down_at"`
			}
			Restarts []json.RawMessage `json:"restarts"`
		}
		p.must(json.Unmarshal(x.body, &report))
		restarts += len(report.Restarts)
		for _, o := range append(report.Outages, report.Flapping...) {
			if o.Device != probe {
				all = append(all, told{o.Device, o.Down, x.at})
			}
		}
	}
	return all, restarts
}

// enqueued returns the outages as the database has them, one row for each that
// was ever enqueued, and checks that the queue's account agrees.
func (p *proof) enqueued() []told {
	p.Helper()
	var all []told
	testenv.Eventually(p, time.Minute, func() error {
		s, err := p.leader().client.Status(p.Context())
		if err != nil {
			return err
		}
		pool, err := pgxpool.New(p.Context(), p.url)
		if err != nil {
			return err
		}
		defer pool.Close()
		all = nil
		events := int64(0)
		rows, err := pool.Query(p.Context(), "SELECT device, down_at, up_at IS NOT NULL FROM data.outage")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var x told
			var over bool
			if err := rows.Scan(&x.device, &x.down, &over); err != nil {
				return err
			}
			if x.device != probe {
				all = append(all, x)
			}
			events++
			if over {
				events++
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		_, restarts := p.told("/hook")
		for _, q := range s.Queues {
			if q.Queue == sluice.QueueEvents && q.Account.Received != events+int64(restarts) {
				return fmt.Errorf("the queue lwt has had %d events, the tables tell of %d and %d restarts", q.Account.Received, events, restarts)
			}
		}
		return nil
	})
	return all
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
		until(p, time.Now().Add(d))
		r.Signal(syscall.SIGCONT)
		p.leader()
	}
}

func redisDown(d time.Duration) func(*proof) {
	return func(p *proof) {
		p.redis.Stop(syscall.SIGTERM)
		until(p, time.Now().Add(d))
		p.redis.Start()
	}
}

func redisStopped(d time.Duration) func(*proof) {
	return func(p *proof) {
		p.redis.Pause()
		until(p, time.Now().Add(d))
		p.redis.Resume()
	}
}

func databaseDown(p *proof) {
	p.database.Stop(syscall.SIGINT)
	until(p, time.Now().Add(3*p.plan.silent))
	p.database.Start()
}

// backlog stops all routers and publishes readings of others, so that what the
// devices say waits behind them.
func backlog(p *proof) {
	for _, r := range p.routers {
		r.Signal(syscall.SIGSTOP)
	}
	b, err := bench.New(bench.Config{Address: p.broker.Addr(), Messages: p.plan.backlog, Topic: "bulk/sensor"})
	p.must(err)
	_, err = b.Run(p.Context())
	p.must(err)
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
	p.must(err)
	defer publisher.Close()
	for took := time.Minute; took > 2*time.Second; {
		began := time.Now()
		for _, m := range []struct {
			topic   string
			payload []byte
		}{{"connect", connectMessage(probe)}, {"lwt", willMessage(probe, 1)}} {
			_, err := publisher.Publish(p.Context(), m.topic, m.payload, 1)
			p.must(err)
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
		until(p, time.Now().Add(p.plan.grace+11*time.Second))
		p.restarts = append(p.restarts, device.Period{From: from.Add(-p.plan.delay), To: time.Now().Add(2 * time.Second)})
	}
}

// full is the plan of `make outage-proof`.
func full() proofPlan {
	return proofPlan{
		devices: 500, drops: 2000, mutes: 30, over: 330 * time.Second,
		delay: 4 * time.Second, silent: 8 * time.Second, grace: 12 * time.Second, every: 3 * time.Second, backlog: 1_000_000,
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
		devices: 60, drops: 150, mutes: 4, over: 62 * time.Second,
		delay: 3 * time.Second, silent: 6 * time.Second, grace: 10 * time.Second, every: 2 * time.Second, backlog: 20_000,
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
	truth := p.run()
	var b strings.Builder
	for _, receiver := range []struct {
		name string
		told []told
	}{{"enqueued", p.enqueued()}, {"reports to a webhook", first(p.told("/hook"))}} {
		v := judge(truth, receiver.told, p.faults, 2*plan.every+2*time.Second)
		fmt.Fprintf(&b, "%s, of %d devices with %d drops and %d mute times:\n", receiver.name, plan.devices, plan.drops, plan.mutes)
		if receiver.name == "enqueued" {
			v.calm, v.late = nil, nil // the tables do not say when
		} else if len(v.calm) == 0 {
			t.Error("no outage came with nothing broken")
		}
		v.table(&b)
		v.check(t)
		if p99 := quantile(v.calm, 0.99); p99 > time.Second {
			t.Errorf("%s: p99 %v late with nothing broken, want at most 1 s", receiver.name, p99)
		}
		if most := quantile(v.late, 0.99); most > recovery {
			t.Errorf("%s: p99 %v late in or after a fault, want at most %v", receiver.name, most, recovery)
		}
	}
	if n := len(p.stub.with("plant-1")); n == 0 {
		t.Error("GroupMe got no report")
	}
	t.Logf("\n%s", b.String())
}

func first(all []told, _ int) []told { return all }
