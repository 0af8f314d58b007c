package app_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"sluice/app"
	"sluice/config"
	"sluice/device"
	"sluice/gen/msg"
	"sluice/internal/apptest"
	"sluice/internal/testenv"
)

// within is how long a test waits for the router.
const within = 30 * time.Second

func TestBatchRouter_FrontDoor_StoresWhatDevicesSend(t *testing.T) {
	t.Parallel()
	site := apptest.New(t, apptest.Site{Door: true})
	router := site.Start(t, app.DefaultSinks())
	router.AwaitLeading(t)
	for i := range 10 {
		site.Publish(t, "data/sensor", apptest.Reading("d1", 1_700_000_000+int64(i), 20))
	}
	router.AwaitStored(t, "data/sensor", 10)
	if n := site.Count(t, "SELECT count(*) FROM data.sensor"); n != 10 {
		t.Errorf("got %d rows, want 10", n)
	}
	if status, body := router.Get(t, "/readyz"); status != 200 || !strings.Contains(body, `"door":"ok"`) {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if _, body := router.Get(t, "/metrics"); !strings.Contains(body, `sluice_door_connects_total{reason="success"} 1`) ||
		!strings.Contains(body, "sluice_door_publishes_qos1_total 10") {
		t.Errorf("/metrics: %s", body)
	}
	if err := router.Stop(t); err != nil {
		t.Error(err)
	}
}

// Where the door cannot be opened /readyz says why.
func TestBatchRouter_FrontDoor_AddressInUse_IsNotReady(t *testing.T) {
	t.Parallel()
	site := apptest.New(t, apptest.Site{Door: true})
	l, err := net.Listen("tcp", site.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	router := site.Start(t, app.DefaultSinks())
	testenv.Eventually(t, within, func() error {
		s, err := router.Status(t.Context())
		if err == nil && !strings.Contains(s.Checks["door"], "listen on "+site.Address()) {
			err = fmt.Errorf("checks %v", s.Checks)
		}
		return err
	})
	if status, body := router.Get(t, "/readyz"); status != 503 || !strings.Contains(body, "address already in use") {
		t.Errorf("/readyz: %d %s", status, body)
	}
	l.Close()
	router.AwaitLeading(t)
}

func TestBatchRouter_FrontDoor_MosquittoClients(t *testing.T) {
	t.Parallel()
	site := apptest.New(t, apptest.Site{Door: true})
	router := site.Start(t, app.DefaultSinks())
	router.AwaitLeading(t)
	host, port, _ := net.SplitHostPort(site.Address())
	for i, version := range []string{"311", "5"} {
		payload := filepath.Join(site.Dir, version)
		if err := os.WriteFile(payload, apptest.Reading("d"+version, 1_700_000_000, 20), 0o600); err != nil {
			t.Fatal(err)
		}
		pub := exec.Command("mosquitto_pub", "-h", host, "-p", port, "-V", version, "-q", "1", "-t", "data/sensor", "-f", payload)
		if out, err := pub.CombinedOutput(); err != nil {
			t.Fatalf("version %s: %v %s", version, err, out)
		}
		router.AwaitStored(t, "data/sensor", int64(i)+1)
		if n := site.Count(t, "SELECT count(*) FROM data.sensor WHERE device = $1", "d"+version); n != 1 {
			t.Errorf("version %s: got %d rows, want 1", version, n)
		}
	}
}

// The simulated fleet and the clock find the door without a broker in the
// configuration; every device answers the pulse.
func TestBatchRouter_FrontDoor_FleetAnswersTheClock(t *testing.T) {
	t.Parallel()
	site := apptest.New(t, apptest.Site{Door: true, Extra: "device: {count: 10}\nclock: {interval: 1s}\n"})
	log := app.NewLogger(t.Output(), "test", 0)
	run(t, app.NewDevices(load(t, site, app.DeviceConfig()), false, nil, log).Run)
	run(t, app.NewClock(load(t, site, app.ClockConfig()), 0, log).Run)
	router := site.Start(t, app.DefaultSinks())
	router.AwaitLeading(t)
	testenv.Eventually(t, within, func() error {
		if n := site.Count(t, "SELECT count(DISTINCT device) FROM data.sensor"); n != 10 {
			return fmt.Errorf("rows of %d devices, want 10", n)
		}
		return nil
	})
	router.Await(t, func(s app.Status) error {
		if s.Devices.Up != 10 {
			return fmt.Errorf("devices %+v", s.Devices)
		}
		return nil
	})
}

func load(t *testing.T, site *apptest.Site, options []config.Option) *config.Config {
	t.Helper()
	c, err := config.Load(site.Path(), nil, options...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// run runs a service until the test ends, or until what it returns is called.
func run(t *testing.T, service func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := service(ctx); err != nil {
			t.Error(err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// SIGTERM ends a router with devices at its door in time and well; they keep what was
// not acknowledged, come back to the next one, and every reading is one row.
func TestBatchRouter_FrontDoor_Terminated_LosesNothing(t *testing.T) {
	t.Parallel()
	site := apptest.New(t, apptest.Site{Door: true})
	router := startProcess(t, site)
	awaitLeading(t, site)
	fleet, err := device.New(device.Config{Address: site.Address(), Count: 50, Interval: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, fleet.Run)
	for range 2 {
		awaitAcked(t, fleet)
		if took := terminate(t, router); took > 10*time.Second {
			t.Errorf("the end took %v, want at most 10 s", took)
		}
		router = startProcess(t, site)
		awaitLeading(t, site)
	}
	awaitAcked(t, fleet)
	stop()
	s := fleet.Stats()
	if s.Kept != 0 || s.Dropped != 0 || s.Connects < 150 {
		t.Errorf("got %+v, want everything sent, and two restarts", s)
	}
	testenv.Eventually(t, within, func() error {
		if n := site.Count(t, "SELECT count(*) FROM data.sensor"); n != s.Acked {
			return fmt.Errorf("got %d rows, want %d", n, s.Acked)
		}
		return nil
	})
	terminate(t, router)
}

// awaitAcked waits until all devices are there and another 100 readings acknowledged.
func awaitAcked(t *testing.T, fleet *device.Fleet) {
	t.Helper()
	n := fleet.Stats().Acked + 100
	testenv.Eventually(t, within, func() error {
		if s := fleet.Stats(); s.Acked < n || s.Connected < s.Devices {
			return fmt.Errorf("%+v, want all connected and %d acknowledged", s, n)
		}
		return nil
	})
}

// A device with a last will that is killed is suspect, then down.
func TestBatchRouter_FrontDoor_OutageOfADevice(t *testing.T) {
	t.Parallel()
	site := apptest.New(t, apptest.Site{Door: true})
	router := site.Start(t, app.DefaultSinks())
	router.AwaitLeading(t)
	host, port, _ := net.SplitHostPort(site.Address())
	will, err := proto.Marshal(&msg.LWT{Device: "d1", Delay: 1})
	if err != nil {
		t.Fatal(err)
	}
	device := exec.Command("mosquitto_sub", "-h", host, "-p", port, "-i", "d1", "-t", "pulse", "-q", "1",
		"--will-topic", "lwt/d1", "--will-payload", string(will), "--will-qos", "1")
	if err := device.Start(); err != nil {
		t.Fatal(err)
	}
	router.Await(t, func(app.Status) error {
		if _, body := router.Get(t, "/metrics"); !strings.Contains(body, `sluice_door_connects_total{reason="success"} 1`) {
			return errNotYet
		}
		return nil
	})
	device.Process.Kill()
	device.Wait()
	router.Await(t, func(s app.Status) error {
		if s.Devices.Down != 1 {
			return fmt.Errorf("devices %+v", s.Devices)
		}
		return nil
	})
}

func TestBatchRouter_FrontDoor_BrokenUsersAreRefused(t *testing.T) {
	t.Parallel()
	site := apptest.New(t, apptest.Site{Door: true, DoorKeys: "users: sluice.yaml"})
	err := site.Start(t, app.DefaultSinks()).Wait(t)
	if err == nil || !strings.Contains(err.Error(), filepath.Join(site.Dir, "sluice.yaml")+":1") {
		t.Errorf("got %v, want the faulty line", err)
	}
}
