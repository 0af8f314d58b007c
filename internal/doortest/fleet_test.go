package doortest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"sluice/clock"
	"sluice/device"
	"sluice/internal/pathload"
	"sluice/internal/testenv"
	"sluice/mqtt"
)

// startFleet runs devices until the returned function is called, or the test ends.
// With that each sends what it keeps and says DISCONNECT.
func startFleet(t testing.TB, c device.Config) (f *device.Fleet, end func()) {
	t.Helper()
	c.Truth = device.NewTruthLog(nil)
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
	end = func() { stop(); <-done }
	t.Cleanup(end)
	return f, end
}

func count(f *device.Fleet, what device.What) (n int) {
	for _, e := range f.Truth() {
		if e.What == what {
			n++
		}
	}
	return n
}

func awaitTruth(t testing.TB, f *device.Fleet, what device.What, n int) {
	t.Helper()
	testenv.Eventually(t, patience, func() error {
		if got := count(f, what); got < n {
			return fmt.Errorf("%d devices %s, want %d", got, what, n)
		}
		return nil
	})
}

// number runs a query that gives one number.
func (s *site) number(sql string, args ...any) (n int64) {
	s.t.Helper()
	s.must(s.Pool.QueryRow(s.t.Context(), sql, args...).Scan(&n))
	return n
}

// A clock that is connected to one replica asks the devices of both.
func TestDoor_PulseOnOneReplica_DevicesOnAllAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t, sitePlan{})
	devices := 40
	if full() {
		devices = 500
	}
	f, _ := startFleet(t, device.Config{Address: s.link.Addr(), Count: devices})
	awaitTruth(t, f, device.Announced, devices)
	open := s.link.Open()
	for i, n := range open {
		if n < devices/3 {
			t.Fatalf("replica %d has %d of %d devices", i, n, devices)
		}
	}
	const pulses = 5
	for range pulses {
		before := s.rowsOf()
		s.pulse()
		testenv.Eventually(t, patience, func() error { return moreOfEach(before, s.rowsOf(), devices) })
	}
	// A clock whose PUBACK is late asks again.
	t.Logf("%d devices on the replicas, each answered %d pulses: %d rows", open, pulses, s.number("SELECT count(*) FROM data.sensor"))
}

// rowsOf counts the rows of each device.
func (s *site) rowsOf() map[string]int {
	s.t.Helper()
	rows := map[string]int{}
	var device string
	var n int
	s.Each("SELECT device, count(*) FROM data.sensor GROUP BY device", func() { rows[device] = n }, &device, &n)
	return rows
}

// moreOfEach tells which of the devices has no row that it had not before.
func moreOfEach(before, now map[string]int, devices int) error {
	if len(now) != devices {
		return fmt.Errorf("%d of %d devices have rows", len(now), devices)
	}
	for device, n := range now {
		if n == before[device] {
			return fmt.Errorf("%s has not answered: %d rows", device, n)
		}
	}
	return nil
}

// pulse has a clock at the first replica ask for one reading.
func (s *site) pulse() {
	s.t.Helper()
	p, err := mqtt.NewPublisher(mqtt.Config{URL: "mqtt://" + s.replicas[0].address})
	s.must(err)
	defer p.Close()
	c, err := clock.New(clock.Config{Publisher: pulser{p}, Interval: time.Second, Count: 1})
	s.must(err)
	s.must(c.Run(s.t.Context()))
}

// pulser is a publisher as a clock wants it.
type pulser struct{ *mqtt.Publisher }

func (p pulser) Publish(ctx context.Context, topic string, payload []byte, qos byte) error {
	_, err := p.Publisher.Publish(ctx, topic, payload, qos)
	return err
}

// The store stands still for longer than leases and calls last, under a thousand
// devices: nobody is disconnected, nobody is reported, and what is sent meanwhile is
// stored afterwards.
func TestDoor_StoreStopped_NobodyIsLostOrReported(t *testing.T) {
	devices, stop := 1000, 10*time.Second
	if full() {
		stop = time.Minute
	} else {
		t.Parallel()
	}
	const every = 5 * time.Second
	s := newSite(t, sitePlan{silent: 20 * time.Second})
	f, end := startFleet(t, device.Config{
		Address: s.link.Addr(), Count: devices, Interval: every, Delay: time.Second,
		KeepAlive: 10 * time.Second, AckTimeout: 5 * time.Minute,
	})
	awaitTruth(t, f, device.Announced, devices)
	s.AwaitReceived(pathload.RouteSensor, int64(devices))
	before := f.Stats()
	s.redis.Pause()
	pass(t, stop)
	during := f.Stats()
	s.redis.Resume()
	for range 4 { // more than silent_after
		after := f.Stats().Taken
		testenv.Eventually(t, patience, func() error {
			if n := f.Stats().Acked; n < after+int64(devices) {
				return fmt.Errorf("%d readings acknowledged, %d were taken %v ago", n, after, every)
			}
			return nil
		})
	}
	if n := s.number("SELECT count(*) FROM data.outage"); n > 0 {
		t.Errorf("%d outages were reported", n)
	}
	end()
	after := f.Stats()
	t.Logf("stopped for %v: %d readings taken, %d acknowledged; in the end %s", stop, during.Taken-before.Taken, during.Acked-before.Acked, after)
	if lost, connects := count(f, device.Lost), count(f, device.Connected); lost > 0 || connects != devices {
		t.Errorf("%d connections were lost, %d made by %d devices", lost, connects, devices)
	}
	// What was taken in the last moment may not have been sent any more.
	testenv.Eventually(t, patience, func() error {
		n := s.number("SELECT count(DISTINCT (device, epoch)) FROM data.sensor")
		if n < after.Acked || n > after.Taken {
			return fmt.Errorf("%d rows of %d readings, %d of them acknowledged", n, after.Taken, after.Acked)
		}
		return nil
	})
	if after.Dropped > 0 {
		t.Errorf("%d readings dropped", after.Dropped)
	}
}
