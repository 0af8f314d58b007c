package device_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"sluice/device"
	"sluice/internal/testenv"
)

// whats returns what one device did.
func whats(events []device.TruthEvent, name string) []device.What {
	var all []device.What
	for _, e := range events {
		if e.Device == name {
			all = append(all, e.What)
		}
	}
	return all
}

// when returns the times at which one device did something.
func when(events []device.TruthEvent, name string, what device.What) []time.Time {
	var all []time.Time
	for _, e := range events {
		if e.Device == name && e.What == what {
			all = append(all, e.Time)
		}
	}
	return all
}

// did waits until a device has done something so many times.
func did(t *testing.T, fleet *device.Fleet, name string, what device.What, times int) {
	t.Helper()
	atLeast(t, fmt.Sprintf("times %s %s", name, what), times, func() int { return len(when(fleet.Truth(), name, what)) })
}

func topics(arrivals []arrival) []string {
	var all []string
	for _, a := range arrivals {
		all = append(all, a.topic)
	}
	return all
}

func TestFleet_PlaysItsDrops_WillThenConnect(t *testing.T) {
	t.Parallel()
	const inside, outside = 300 * time.Millisecond, 2500 * time.Millisecond
	broker := testenv.Mosquitto(t)
	l := listen(t, broker.Addr())
	fleet, stop := start(t, device.Config{
		Address: broker.Addr(), Count: 4, Prefix: "d-", OwnTopics: true, Delay: time.Second, Truth: device.NewTruthLog(nil),
		Drops: []device.Drop{ // in no order
			{Device: 2, At: 2500 * time.Millisecond, Away: outside},
			{Device: 3, At: 2500 * time.Millisecond},
			{Device: 1, At: 2 * time.Second, Away: inside},
		},
	})
	want := map[string][]string{
		"d-0001": {"connect/d-0001", "lwt/d-0001", "connect/d-0001"},
		"d-0002": {"connect/d-0002", "lwt/d-0002", "connect/d-0002"},
		"d-0003": {"connect/d-0003", "lwt/d-0003"},
		"d-0004": {"connect/d-0004"},
	}
	for name, w := range want {
		atLeast(t, "messages of "+name, len(w), func() int { return len(l.of(name)) })
	}
	did(t, fleet, "d-0002", device.Announced, 2)
	did(t, fleet, "d-0001", device.Announced, 2)
	stop()
	for name, w := range want {
		if diff := gocmp.Diff(w, topics(l.of(name))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}

	truth := fleet.Truth()
	for name, away := range map[string]time.Duration{"d-0001": inside, "d-0002": outside} {
		dropped := when(truth, name, device.Dropped)[0]
		gone := l.of(name)[2].at.Sub(dropped)
		if again := when(truth, name, device.Connecting)[1].Sub(dropped); again < away || gone < again || gone > away+within {
			t.Errorf("%s: connected anew after %v, heard of after %v, want %v", name, again, gone, away)
		}
	}
	never := []device.What{device.Connecting, device.Connected, device.Announced, device.Dropped}
	if diff := gocmp.Diff(never, whats(truth, "d-0003")); diff != "" {
		t.Errorf("d-0003 (-want +got):\n%s", diff)
	}

	// By a minute's delay only the one that never came back is missed; by the real
	// one also the one that stayed away longer.
	certain := func(o device.Observer) (names []string) {
		for _, out := range device.Outages(truth, o) {
			if out.Certain {
				names = append(names, out.Device)
			}
		}
		return names
	}
	if diff := gocmp.Diff([]string{"d-0003"}, certain(device.Observer{Delay: time.Minute})); diff != "" {
		t.Errorf("outages with a delay of 1 min (-want +got):\n%s", diff)
	}
	if got := certain(device.Observer{Delay: time.Second}); !slices.Contains(got, "d-0002") || !slices.Contains(got, "d-0003") {
		t.Errorf("outages with a delay of 1 s: got %v", got)
	}
}

func TestFleet_PowerCut(t *testing.T) {
	t.Parallel()
	const count, away = 50, time.Second
	broker := testenv.Mosquitto(t)
	l := listen(t, broker.Addr())
	fleet, _ := start(t, device.Config{Address: broker.Addr(), Count: count, Prefix: "d-", OwnTopics: true, Truth: device.NewTruthLog(nil)})
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprintf("d-%04d", i+1)
		atLeast(t, "connects of "+names[i], 1, func() int { return len(l.of(names[i])) })
		did(t, fleet, names[i], device.Announced, 1)
	}
	if got := fleet.PowerCut(away); got != count {
		t.Errorf("got %d sockets, want %d", got, count)
	}
	var dropped, late []time.Duration
	for _, name := range names {
		did(t, fleet, name, device.Announced, 2)
		atLeast(t, "messages of "+name, 3, func() int { return len(l.of(name)) })
		if diff := gocmp.Diff([]string{"connect/" + name, "lwt/" + name, "connect/" + name}, topics(l.of(name))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		at := when(fleet.Truth(), name, device.Dropped)[0]
		dropped = append(dropped, at.Sub(when(fleet.Truth(), names[0], device.Dropped)[0]))
		late = append(late, when(fleet.Truth(), name, device.Connecting)[1].Sub(at)-away)
	}
	if slices.Min(late) < 0 || slices.Min(late) > 200*time.Millisecond { // the backoff begins with 250 ms
		t.Errorf("the devices came back from %v after their time, want at once", slices.Min(late))
	}
	t.Logf("%d devices dropped within %v, came back from %v to %v late", count, slices.Max(dropped), slices.Min(late), slices.Max(late))
	if got := device.Outages(fleet.Truth(), device.Observer{Delay: time.Minute}); len(got) != 0 {
		t.Errorf("got outages %v, all were back inside the delay", lines(got))
	}
}

func TestFleet_GoneForGood(t *testing.T) {
	t.Parallel()
	broker := testenv.Mosquitto(t)
	listen(t, broker.Addr())
	log := device.NewTruthLog(&tape{err: io.ErrShortWrite})
	fleet, stop := start(t, device.Config{Address: broker.Addr(), Count: 4, Prefix: "d-", Unclean: true, Truth: log})
	for n := range 4 {
		did(t, fleet, fmt.Sprintf("d-%04d", n+1), device.Announced, 1)
	}
	if err := errors.Join(fleet.Drop("d-0001", 0), fleet.Crash("d-0002"), fleet.Drop("d-0003", time.Hour)); err != nil {
		t.Fatal(err)
	}
	if fleet.Drop("d-0001", time.Second) == nil {
		t.Error("a device that is gone for good: got no error")
	}
	if fleet.Drop("nobody", time.Second) == nil || fleet.Mute("nobody", time.Second) == nil {
		t.Error("a device that is unknown: got no error")
	}
	if got := fleet.PowerCut(time.Hour); got != 1 {
		t.Errorf("got %d sockets closed of 1 that is left", got)
	}
	stop()
	want := []device.What{device.Connecting, device.Connected, device.Announced, device.Dropped}
	for n := range 4 {
		name := fmt.Sprintf("d-%04d", n+1)
		if diff := gocmp.Diff(want, whats(fleet.Truth(), name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if !errors.Is(log.Err(), io.ErrShortWrite) {
		t.Errorf("got error %v of the log", log.Err())
	}
}
