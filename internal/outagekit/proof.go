package outagekit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice"
	"sluice/app"
	"sluice/device"
	"sluice/internal/testenv"
)

// Proof is one run: devices that drop and come back on a schedule, and faults.
type Proof struct {
	*testing.T

	Plan     Plan
	Stub     *Stub  // receives the reports at /hook
	Database string // URL
	// Admin returns a router that answers.
	Admin func() *app.AdminClient
	// Probe is a device of the test's own, which the truth does not know.
	Probe string
	// Restarts are added to by the faults that cost devices their wills.
	Restarts []device.Period

	began  time.Time
	faults []Window
	fleet  *device.Fleet
}

// Plan sizes a run.
type Plan struct {
	Devices, Drops, Mutes int
	// Over is the length of the schedule.
	Over time.Duration
	// Delay is that of the wills, Silent that of the route, Grace that of reconnects.
	Delay, Silent, Grace time.Duration
	// Every is the time between two readings of a device.
	Every time.Duration
	// KeepAlive and AnswerWithin of the devices; 0: those of package device.
	KeepAlive, AnswerWithin time.Duration
	// Guard is how long a device may not know that its connection has ended.
	// Default 400 ms.
	Guard time.Duration
}

// Fault is something broken on purpose, at a time since the beginning.
type Fault struct {
	At   time.Duration
	Name string
	Do   func()
	// Lasts is how long after Do what it did still holds judgement up, for those
	// concerned.
	Lasts time.Duration
}

func (p *Proof) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// Until waits for a time that has to come.
func Until(t testing.TB, at time.Time) {
	t.Helper()
	select {
	case <-time.After(time.Until(at)):
	case <-t.Context().Done():
	}
}

// Run lets the schedule pass for devices that connect to address, and returns the
// truth.
func (p *Proof) Run(address string, faults []Fault) []device.Outage {
	p.Helper()
	p.begin(address)
	ctx, stop := context.WithCancel(p.Context())
	done := make(chan struct{})
	p.began = time.Now()
	go func() {
		defer close(done)
		_ = p.fleet.Run(ctx)
	}()
	for _, f := range faults {
		p.happen(f)
	}
	Until(p, p.began.Add(p.Plan.Over+p.Plan.Delay+p.Plan.Silent+p.Plan.Grace))
	end := time.Now()
	p.settle()
	stop()
	<-done
	guard := p.Plan.Guard
	if guard == 0 {
		guard = 400 * time.Millisecond
	}
	return device.Outages(p.fleet.Truth(), device.Observer{
		Delay: p.Plan.Delay, Guard: guard, Silent: p.Plan.Silent, Every: p.Plan.Every + 2*time.Second, Restarts: p.Restarts, Until: end,
	})
}

// begin makes the fleet and its schedule.
func (p *Proof) begin(address string) {
	p.Helper()
	plan := p.Plan
	drops, err := device.RandomDrops(device.Plan{
		Seed: 7, Devices: plan.Devices, Count: plan.Drops, Over: plan.Over, Delay: plan.Delay, Inside: 4, Near: 4, After: 2,
	})
	p.must(err)
	for i := range plan.Mutes { // of devices of their own
		drops = append(drops, device.Drop{
			Device: plan.Devices + 1 + i, At: 12*time.Second + plan.Over*time.Duration(i)/time.Duration(plan.Mutes), Away: 3 * plan.Silent, Mute: true,
		})
	}
	p.fleet, err = device.New(device.Config{
		Address: address, Count: plan.Devices + plan.Mutes, Delay: plan.Delay, Interval: plan.Every,
		KeepAlive: plan.KeepAlive, AckTimeout: plan.AnswerWithin, Drops: drops, Truth: device.NewTruthLog(nil),
	})
	p.must(err)
}

func (p *Proof) happen(f Fault) {
	Until(p, p.began.Add(f.At))
	from := time.Now()
	f.Do()
	p.faults = append(p.faults, Window{f.Name, from, time.Now().Add(f.Lasts)})
	p.Logf("%6.1f s: %s, %.1f s", from.Sub(p.began).Seconds(), f.Name, time.Since(from).Seconds())
}

// settle waits until every queue of presence is empty.
func (p *Proof) settle() {
	p.Helper()
	admin := p.Admin()
	testenv.Eventually(p, 2*time.Minute, func() error {
		s, err := admin.Status(p.Context())
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

// outage is what a webhook is told of one.
type outage struct {
	Device string    `json:"device"`
	Down   time.Time `json:"down_at"`
}

// Told returns the outages that the receiver at a path was told of, and how many
// restarts. The same report again, which says so by its id, counts once.
func (p *Proof) Told(path string) (all []Told, restarts int) {
	p.Helper()
	ids := map[string]bool{}
	for _, x := range p.Stub.Accepted() {
		if x.Path != path || ids[x.ID] {
			continue
		}
		ids[x.ID] = true
		var report struct {
			Outages  []outage          `json:"outages"`
			Flapping []outage          `json:"flapping"`
			Restarts []json.RawMessage `json:"restarts"`
		}
		p.must(json.Unmarshal(x.Body, &report))
		restarts += len(report.Restarts)
		for _, o := range append(report.Outages, report.Flapping...) {
			if o.Device != p.Probe {
				all = append(all, Told{o.Device, o.Down, x.At})
			}
		}
	}
	return all, restarts
}

// Enqueued returns the outages as the database has them, one row for each that was
// ever enqueued, when the account of the queue agrees.
func (p *Proof) Enqueued() (all []Told) {
	p.Helper()
	testenv.Eventually(p, time.Minute, func() (err error) {
		var events int64
		if all, events, err = p.outages(); err != nil {
			return err
		}
		s, err := p.Admin().Status(p.Context())
		if err != nil {
			return err
		}
		_, restarts := p.Told("/hook")
		for _, q := range s.Queues {
			if q.Queue == sluice.QueueEvents && q.Account.Received != events+int64(restarts) {
				return fmt.Errorf("the queue lwt has had %d events, the tables tell of %d and %d restarts", q.Account.Received, events, restarts)
			}
		}
		return nil
	})
	return all
}

// outages reads data.outage, and how many events made it.
func (p *Proof) outages() (all []Told, events int64, err error) {
	pool, err := pgxpool.New(p.Context(), p.Database)
	if err != nil {
		return nil, 0, err
	}
	defer pool.Close()
	rows, err := pool.Query(p.Context(), "SELECT device, down_at, up_at IS NOT NULL FROM data.outage")
	var x Told
	var over bool
	_, wrong := pgx.ForEachRow(rows, []any{&x.Device, &x.Down, &over}, func() error {
		if x.Device != p.Probe {
			all = append(all, x)
		}
		events++
		if over {
			events++
		}
		return nil
	})
	return all, events, errors.Join(err, wrong)
}

// Check judges what was enqueued and what the webhook was told, prints both, and
// fails the test for whatever was not as promised.
func (p *Proof) Check(truth []device.Outage) {
	p.Helper()
	told, _ := p.Told("/hook")
	all := p.Enqueued()
	early := 2*p.Plan.Every + 2*time.Second
	enqueued := Judge(truth, all, p.faults, early)
	flapped := flapped(all)
	p.Logf("%d devices flapped; the reports are not judged by theirs", len(flapped))
	reported := Judge(
		slices.DeleteFunc(slices.Clone(truth), func(o device.Outage) bool { return flapped[o.Device] }),
		slices.DeleteFunc(told, func(x Told) bool { return flapped[x.Device] }), p.faults, early)
	enqueued.Calm, enqueued.Late = nil, nil // the tables do not say when
	if len(reported.Calm) == 0 {
		p.Error("no outage came with nothing broken")
	}
	var b strings.Builder
	for _, v := range []struct {
		name string
		*Verdict
	}{{"enqueued", enqueued}, {"reports to a webhook", reported}} {
		fmt.Fprintf(&b, "%s, of %d devices with %d drops and %d mute times:\n", v.name, p.Plan.Devices, p.Plan.Drops, p.Plan.Mutes)
		v.Table(&b)
		v.Check(p)
	}
	p.Logf("\n%s", b.String())
	if p99 := Quantile(reported.Calm, 0.99); p99 > time.Second {
		p.Errorf("p99 %v late with nothing broken, want at most 1 s", p99)
	}
	if most := Quantile(reported.Late, 0.99); most > Recovery {
		p.Errorf("p99 %v late in or after a fault, want at most %v", most, Recovery)
	}
}

// flaps is how many outages of a device in a run are reported, at most: the last as
// flapping, and none from then on.
const flaps = 4

// flapped returns the devices whose outages were not all reported.
func flapped(enqueued []Told) map[string]bool {
	outages, flapped := map[string]int{}, map[string]bool{}
	for _, x := range enqueued {
		if outages[x.Device]++; outages[x.Device] > flaps {
			flapped[x.Device] = true
		}
	}
	return flapped
}

// Stats counts what the fleet did.
func (p *Proof) Stats() device.Stats { return p.fleet.Stats() }
