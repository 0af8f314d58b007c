package outagetest

import (
	"bytes"
	"fmt"
	"math"
	"net"
	"os/exec"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"sluice"
	"sluice/app"
	"sluice/device"
	"sluice/gen/msg"
	"sluice/internal/apptest"
	"sluice/internal/outagekit"
	"sluice/internal/testenv"
	"sluice/mqtt"
)

func connectMessage(name string) []byte {
	payload, _ := proto.Marshal(&msg.Connect{Device: name})
	return payload
}

func willMessage(name string, delay int64) []byte {
	payload, _ := proto.Marshal(&msg.LWT{Device: name, Delay: delay})
	return payload
}

// Whatever one client says of itself makes no other device go down, holds
// nothing up and leaves nothing behind.
func TestHostile_WillsAndNames_NoHarmToOthers(t *testing.T) {
	t.Parallel()
	stub := outagekit.NewStub(t)
	site := apptest.New(t, apptest.Site{Extra: groupme(stub)})
	retain(t, site, "lwt", willMessage("ghost", 1)) // of old: not for us
	router := site.Start(t, app.DefaultSinks())
	router.AwaitLeading(t)
	f := fleet(t, site, device.Config{Count: 3, Prefix: "witness-", Delay: 2 * time.Second, Interval: time.Second})
	awaitTruth(t, f, device.Announced, 3)

	// Delays are clamped to 1 s .. 7 d; what is no name is a dead letter.
	dead := int64(0)
	for _, name := range []string{"zero", "minus", "most", "lwt", "connect"} {
		site.Publish(t, "connect", connectMessage(name))
	}
	for _, name := range []string{"data/sensor", "", "a/b", "-x", string(make([]byte, 65))} {
		site.Publish(t, "connect", connectMessage(name))
		site.Publish(t, "lwt", willMessage(name, 1))
		dead += 2
	}
	site.Publish(t, "lwt", []byte{0xff, 0xff})
	site.Publish(t, "connect/witness-0001", connectMessage("witness-0002")) // names another
	dead += 2
	site.Publish(t, "lwt", willMessage("zero", 0))
	site.Publish(t, "lwt", willMessage("minus", -5))
	site.Publish(t, "lwt", willMessage("most", math.MaxInt64))
	site.Publish(t, "lwt", willMessage("lwt", 1))
	site.Publish(t, "lwt", willMessage("connect", 1))
	for range 1000 {
		site.Publish(t, "lwt", willMessage("zero", 1))
	}
	awaitDevices(t, router.AdminClient, func(s app.Status) bool { return s.Devices.Down == 4 && s.Devices.Suspect == 1 })
	for _, name := range []string{"zero", "minus", "lwt", "connect"} {
		stub.Await(t, 1, name+" down")
	}
	router.AwaitAccount(t, sluice.AccountPresence, func(q sluice.QueueStatus) bool { return q.Account.Dead == dead })
	if n := site.Count(t, "SELECT count(*) FROM data.outage"); n > 4 {
		t.Errorf("%d outages, want at most 4", n)
	}
	onlyNamed(t, stub, "witness")
	onlyNamed(t, stub, "ghost")
}

// retain publishes a retained message.
func retain(t testing.TB, site *apptest.Site, topic string, payload []byte) {
	t.Helper()
	host, port, err := net.SplitHostPort(site.Broker.Addr())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "mosquitto_pub", "-h", host, "-p", port, "-q", "1", "-r", "-t", topic, "-s")
	cmd.Stdin = bytes.NewReader(payload)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_pub: %v: %s", err, out)
	}
}

// onlyNamed fails when a report names what it must not.
func onlyNamed(t testing.TB, s *outagekit.Stub, never string) {
	t.Helper()
	if found := s.With(never); len(found) > 0 {
		t.Errorf("a report names %s: %s", never, found[0].Text)
	}
}

// One client alternates between connect and lwt as fast as it can: the others'
// readings go on, no report comes, and memory and queues stay as they are.
func TestHostile_AlternatingConnectAndWill_NoStallNoGrowth(t *testing.T) {
	t.Parallel()
	stub := outagekit.NewStub(t)
	site := apptest.New(t, apptest.Site{Extra: groupme(stub)})
	router := site.Start(t, app.DefaultSinks())
	router.AwaitLeading(t)
	f := fleet(t, site, device.Config{Count: 2, Prefix: "witness-", Delay: 2 * time.Second, Interval: time.Second})
	awaitTruth(t, f, device.Announced, 2)

	const messages, rate = 60_000, 10_000
	liar := make(chan time.Duration, 1)
	go func() { liar <- alternate(t, site, messages, rate) }()
	slowest, took := time.Duration(0), time.Duration(0)
	for n := 0; took == 0; n++ { // meanwhile readings of another must get through
		slowest = max(slowest, visible(t, site, n))
		select {
		case took = <-liar:
		default:
		}
	}
	awaitQuiet(t, router.AdminClient)
	t.Logf("%d messages in %v; the slowest reading of another device took %v to its row", messages, took.Round(time.Millisecond), slowest.Round(time.Millisecond))
	if slowest > 5*time.Second {
		t.Errorf("a reading took %v to its row", slowest)
	}
	s, err := router.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range s.Queues {
		if q.Queue == sluice.QueueDevices && q.Account.Received > messages/10 {
			t.Errorf("%d changes went to the database, want one per group at most", q.Account.Received)
		}
	}
	onlyNamed(t, stub, "witness")
}

// alternate has one client say connect and lwt in turn and returns how long that
// took.
func alternate(t testing.TB, site *apptest.Site, messages, rate int) time.Duration {
	p, err := mqtt.NewPublisher(mqtt.Config{URL: site.Broker.URL()})
	if err != nil {
		t.Error(err)
		return time.Nanosecond
	}
	defer p.Close()
	connect, will := connectMessage("liar"), willMessage("liar", 1)
	began := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for sent := 0; sent < messages; <-tick.C {
		for due := min(messages, int(time.Since(began).Seconds()*float64(rate))); sent < due; sent++ {
			topic, payload := "connect", connect
			if sent%2 == 0 {
				topic, payload = "lwt", will
			}
			if _, err := p.Publish(t.Context(), topic, payload, 0); err != nil {
				t.Error(err)
				return time.Since(began)
			}
		}
	}
	return time.Since(began)
}

// visible publishes a reading and returns how long it took to its row.
func visible(t testing.TB, site *apptest.Site, n int) time.Duration {
	t.Helper()
	began := time.Now()
	site.Publish(t, "data/sensor", apptest.Reading("probe", int64(1_700_000_000+n), 20))
	testenv.Eventually(t, outagekit.Patience, func() error {
		if site.Count(t, "SELECT count(*) FROM data.sensor WHERE device = 'probe' AND epoch = $1", 1_700_000_000+n) == 0 {
			return fmt.Errorf("no row yet")
		}
		return nil
	})
	return time.Since(began)
}
