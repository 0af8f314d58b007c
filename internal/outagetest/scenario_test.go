package outagetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"sluice"
	"sluice/app"
	"sluice/clock"
	"sluice/device"
	"sluice/internal/apptest"
	"sluice/internal/outagekit"
	"sluice/internal/testenv"
	"sluice/mqtt"
)

// fleet runs devices against a site's broker until the test ends.
func fleet(t testing.TB, site *apptest.Site, c device.Config) *device.Fleet {
	t.Helper()
	c.Address = site.Broker.Addr()
	if c.Truth == nil {
		c.Truth = device.NewTruthLog(nil)
	}
	f, err := device.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = f.Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-done })
	return f
}

// awaitTruth waits until the fleet's log has n events of a kind.
func awaitTruth(t testing.TB, f *device.Fleet, what device.What, n int) {
	t.Helper()
	testenv.Eventually(t, outagekit.Patience, func() error {
		got := 0
		for _, e := range f.Truth() {
			if e.What == what {
				got++
			}
		}
		if got < n {
			return fmt.Errorf("%d devices %s, want %d", got, what, n)
		}
		return nil
	})
}

// groupme is a configuration with the stub as the only receiver.
func groupme(s *outagekit.Stub) string {
	return fmt.Sprintf("notify: [{kind: groupme, bot_id: bot-1, url: %q}]\n", s.URL)
}

// The predecessor's scenario: a device connects, answers four pulses and drops
// its socket. After its delay exactly one report with its name arrives. When it
// comes back inside the delay, none does.
func TestScenario_FourPulsesThenADroppedSocket_OneReport(t *testing.T) {
	t.Parallel()
	stub := outagekit.NewStub(t)
	site := apptest.New(t, apptest.Site{Extra: groupme(stub)})
	router := site.Start(t, app.DefaultSinks())
	router.AwaitLeading(t)
	f := fleet(t, site, device.Config{Count: 1, Prefix: "kitchen-", Delay: 2 * time.Second})
	awaitTruth(t, f, device.Announced, 1)
	pulse(t, site, 4)
	router.AwaitStored(t, "data/sensor", 4)
	if n := site.Count(t, "SELECT count(*) FROM data.sensor WHERE device = 'kitchen-0001'"); n != 4 {
		t.Errorf("%d rows, want 4", n)
	}

	drop(t, f, "kitchen-0001", 500*time.Millisecond) // inside the delay
	awaitTruth(t, f, device.Announced, 2)
	drop(t, f, "kitchen-0001", 4*time.Second)
	report := stub.Await(t, 1, "kitchen-0001", "down")[0]
	truth := device.Outages(f.Truth(), device.Observer{Delay: 2 * time.Second})
	if len(truth) != 1 || !truth[0].Certain {
		t.Fatalf("the truth is %+v, want one certain outage", truth)
	}
	if late := report.At.Sub(truth[0].Deadline); late < 0 || late > 2*time.Second {
		t.Errorf("the report came %v after the deadline", late)
	}
	t.Logf("reported %v after the deadline:\n%s", report.At.Sub(truth[0].Deadline), report.Text)
	back := stub.Await(t, 1, "kitchen-0001", "back")[0]
	t.Logf("then:\n%s", back.Text)
	if all := stub.Accepted(); len(all) != 2 {
		t.Errorf("got %d reports, want 2: %+v", len(all), all)
	}
	testenv.Eventually(t, outagekit.Patience, func() error {
		n := site.Count(t, `SELECT count(*) FROM data.outage WHERE device = 'kitchen-0001' AND cause = 'lwt'
			AND recovery = 'connect' AND up_at > down_at AND cardinality(report_ids) = 1`)
		if n != 1 {
			return fmt.Errorf("%d such rows in data.outage, want 1", n)
		}
		n = site.Count(t, "SELECT count(*) FROM data.device WHERE device = 'kitchen-0001' AND state = 'up' AND generation = 3")
		if n != 1 {
			return fmt.Errorf("%d such rows in data.device, want 1", n)
		}
		return nil
	})
	for _, queue := range []string{"lwt", "$device", "$notify/groupme", "$presence"} {
		router.AwaitAccount(t, queue, balanced)
	}
}

func drop(t testing.TB, f *device.Fleet, name string, away time.Duration) {
	t.Helper()
	if err := f.Drop(name, away); err != nil {
		t.Fatal(err)
	}
}

// pulse has a clock ask for n readings.
func pulse(t testing.TB, site *apptest.Site, n int) {
	t.Helper()
	p, err := mqtt.NewPublisher(mqtt.Config{URL: site.Broker.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c, err := clock.New(clock.Config{Publisher: pulser{p}, Interval: 1100 * time.Millisecond, Count: n})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// pulser is a publisher as a clock wants it.
type pulser struct{ *mqtt.Publisher }

func (p pulser) Publish(ctx context.Context, topic string, payload []byte, qos byte) error {
	_, err := p.Publisher.Publish(ctx, topic, payload, qos)
	return err
}

func balanced(s sluice.QueueStatus) bool {
	return s.Balance() == 0 && s.Account.Received > 0 && s.Queued() == 0 && s.Account.Dead == 0
}
