package pythontest

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"

	"sluice/app"
	"sluice/clock"
	"sluice/device"
	"sluice/internal/apptest"
	"sluice/internal/testenv"
	"sluice/mqtt"
)

// One device answers four pulses, four times, through the whole pipeline; what the
// example then reads is exactly rows 1 to 16. A row that is missing, doubled or
// too many fails it, by name.
func TestFourPulses_FourRuns_AreRows1To16(t *testing.T) {
	t.Parallel()
	site := apptest.New(t, apptest.Site{})
	router := site.Start(t, app.DefaultSinks())
	router.AwaitLeading(t)
	for run := range int64(4) {
		fourPulses(t, site)
		router.AwaitStored(t, "data/sensor", 4*(run+1))
	}
	api := startAPI(t, site.Database, "")
	example := func() (string, error) {
		return python(t, []string{"SLUICE_TARGET=" + api.address}, "examples/four_pulses.py")
	}
	out, err := example()
	if err != nil || out != "Tests passed\n" {
		t.Fatalf("got %v, %q, want Tests passed", err, out)
	}
	t.Log(out)

	for _, c := range []struct{ what, sql, want string }{
		{"deleted", "DELETE FROM data.sensor WHERE entry_id = 7", "entry_id 7 is missing\n"},
		{"moved", "UPDATE data.sensor SET entry_id = 7 WHERE entry_id = 16", "entry_id 16 is missing\n"},
		{"more", "INSERT INTO data.sensor SELECT i, 1, 'late', 1, 1, i FROM generate_series(16, 17) i", "entry_id 17 is too many\n"},
		{"doubled", "INSERT INTO data.facility (name) VALUES ('plant-2')", "entry_id 3 came 2 times\nentry_id 17 is too many\n"},
	} {
		site.Exec(t, c.sql)
		if c.what == "doubled" {
			site.Exec(t, "INSERT INTO data.sensor SELECT 3, 2, 'other', 1, 1, 1")
		}
		out, err := example()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 || out != c.want {
			t.Errorf("a row %s: got %v, %q, want status 1 and %q", c.what, err, out, c.want)
		}
	}
}

// fourPulses is one run: a device connects, and a clock pulses four times.
func fourPulses(t testing.TB, site *apptest.Site) {
	t.Helper()
	truth := device.NewTruthLog(nil)
	fleet, err := device.New(device.Config{Address: site.Broker.Addr(), Count: 1, Prefix: "kitchen-", Truth: truth})
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- fleet.Run(ctx) }()
	defer func() { stop(); must(t, <-ended) }()
	testenv.Eventually(t, time.Minute, func() error {
		for _, event := range fleet.Truth() {
			if event.What == device.Announced {
				return nil
			}
		}
		return errors.New("the device has not connected")
	})
	pulse(t, site.Broker.URL())
	testenv.Eventually(t, time.Minute, func() error {
		if n := fleet.Stats().Acked; n < 4 {
			return errors.New("readings are not acknowledged yet")
		}
		return nil
	})
}

// pulse publishes four pulses. A device's readings are told apart by their second,
// so the first one is not in that of the run before.
func pulse(t testing.TB, broker string) {
	t.Helper()
	publisher, err := mqtt.NewPublisher(mqtt.Config{URL: broker})
	must(t, err)
	defer publisher.Close()
	c, err := clock.New(clock.Config{Publisher: pulser{publisher}, Interval: 1100 * time.Millisecond, Count: 4})
	must(t, err)
	before := time.Now().Unix()
	testenv.Eventually(t, time.Minute, func() error {
		if time.Now().Unix() == before {
			return errors.New("the clock of the machine stands still")
		}
		return nil
	})
	must(t, c.Run(t.Context()))
}

// pulser is a publisher as a clock wants it.
type pulser struct{ *mqtt.Publisher }

// Publish implements clock.Publisher.
func (p pulser) Publish(ctx context.Context, topic string, payload []byte, qos byte) error {
	_, err := p.Publisher.Publish(ctx, topic, payload, qos)
	return err
}
