package device_test

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"sluice"
	"sluice/device"
	"sluice/internal/testenv"
)

func TestReadTruth(t *testing.T) {
	log := `{"time":"2026-06-01T12:00:00.123456789Z","device":"d-0001","what":"connecting"}
{"time":"2026-06-01T12:00:01Z","device":"d-0001","what":"dropped"}
`
	want := []device.TruthEvent{
		{Time: epoch.Add(123456789), Device: "d-0001", What: device.Connecting},
		{Time: epoch.Add(time.Second), Device: "d-0001", What: device.Dropped},
	}
	got, err := device.ReadTruth(strings.NewReader(log))
	if diff := gocmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("got error %v (-want +got):\n%s", err, diff)
	}
	got, err = device.ReadTruth(strings.NewReader(log + `{"time":`))
	if len(got) != 2 || err == nil {
		t.Errorf("of a torn log: got %d events, error %v", len(got), err)
	}
}

func TestTruthLog_NilForgets(t *testing.T) {
	var log *device.TruthLog
	if log.Events() != nil || log.Err() != nil {
		t.Error("a nil log has something to say")
	}
}

// tape is a writer that can be read while it is written.
type tape struct {
	mu   sync.Mutex // guards the rest
	data bytes.Buffer
	err  error
}

func (w *tape) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	return w.data.Write(p)
}

// fromPlan returns a plan's drops, later by wait so that all have connected.
func fromPlan(t *testing.T, wait time.Duration, p device.Plan) []device.Drop {
	t.Helper()
	drops := randomDrops(t, p)
	for i := range drops {
		drops[i].At += wait
	}
	return drops
}

// A router that reads from the broker reports what the truth log lets expect, if
// the guard is as long as the longest way of a message.
func TestFleet_TruthAgreesWithTheBroker(t *testing.T) {
	t.Parallel()
	const count, delay = 12, time.Second
	broker := testenv.Mosquitto(t)
	l := listen(t, broker.Addr())
	out := &tape{}
	log := device.NewTruthLog(out)
	drops := fromPlan(t, 2*time.Second, device.Plan{
		Seed: 3, Devices: count, Count: 30, Over: 8 * time.Second, Delay: delay,
		Inside: 4, Near: 4, After: 3, Never: 1, Early: 300 * time.Millisecond, Late: 500 * time.Millisecond,
		Guard: 100 * time.Millisecond, Up: 300 * time.Millisecond, Flapping: 1, FlapDrops: 4,
	})
	fleet, stop := start(t, device.Config{
		Address: broker.Addr(), Count: count, Prefix: "d-", OwnTopics: true, Delay: delay, Drops: drops, Truth: log,
	})
	dropped := func() int {
		n := 0
		for _, e := range fleet.Truth() {
			if e.What == device.Dropped {
				n++
			}
		}
		return n
	}
	atLeast(t, "drops", len(drops), dropped)
	gone := 0
	for _, drop := range drops {
		if drop.Away == 0 {
			gone++
		}
	}
	atLeast(t, "devices after all drops", count-gone, func() int { return fleet.Stats().Connected })
	truth := fleet.Truth()
	want := map[string][]string{}
	for _, e := range truth {
		switch e.What {
		case device.Announced:
			want[e.Device] = append(want[e.Device], "connect/"+e.Device)
		case device.Dropped:
			want[e.Device] = append(want[e.Device], "lwt/"+e.Device)
		}
	}
	for name, w := range want {
		atLeast(t, "messages of "+name, len(w), func() int { return len(l.of(name)) })
	}
	stop()

	var slowest []time.Duration
	for name, w := range want {
		if diff := gocmp.Diff(w, topics(l.of(name))); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", name, diff)
		}
		slowest = append(slowest, latency(t, truth, name, l.of(name)))
	}
	o := device.Observer{Delay: delay, Guard: slices.Max(slowest) + time.Millisecond}
	outages := device.Outages(truth, o)
	certain := 0
	for name := range want {
		own := slices.DeleteFunc(slices.Clone(outages), func(out device.Outage) bool { return out.Device != name })
		if err := agree(own, outagesOf(l.of(name), name, delay), o); err != nil {
			t.Errorf("%s: %v\n%v", name, err, lines(own))
		}
		for _, out := range own {
			if out.Certain {
				certain++
			}
		}
	}
	t.Logf("guard %v: %d outages, %d certain", o.Guard, len(outages), certain)

	written, err := device.ReadTruth(&out.data)
	if diff := gocmp.Diff(fleet.Truth(), written); diff != "" || err != nil || log.Err() != nil {
		t.Errorf("read back: error %v, of the log %v (-memory +written):\n%s", err, log.Err(), diff)
	}
}

// latency is how long the slowest message of a device was under way; none may
// come before what it tells of.
func latency(t *testing.T, truth []device.TruthEvent, name string, arrivals []arrival) time.Duration {
	t.Helper()
	connected, dropped := when(truth, name, device.Connected), when(truth, name, device.Dropped)
	var slowest time.Duration
	for _, a := range arrivals {
		since := &connected
		if a.topic == "lwt/"+name {
			since = &dropped
		}
		took := a.at.Sub((*since)[0])
		*since = (*since)[1:]
		if took < 0 {
			t.Errorf("%s came %v before it was true", a.topic, -took)
		}
		slowest = max(slowest, took)
	}
	return slowest
}

// outagesOf lets the state machine of the router judge what came of one device.
func outagesOf(arrivals []arrival, name string, delay time.Duration) []time.Time {
	var d sluice.Device
	var all []time.Time
	fall := func(until int64) {
		if d.Deadline != 0 && d.Deadline <= until {
			all = append(all, time.UnixMicro(d.Deadline).UTC())
			d.Fall(sluice.Scene{})
		}
	}
	for _, a := range arrivals {
		kind := sluice.MoveConnect
		if a.topic == "lwt/"+name {
			kind = sluice.MoveWill
		}
		fall(a.at.UnixMicro())
		d.Apply(sluice.Move{Kind: kind, Device: name, At: a.at.UnixMicro(), Delay: delay.Microseconds()}, sluice.Scene{})
	}
	fall(time.Now().Add(time.Hour).UnixMicro())
	return all
}

func TestFleet_LostConnectionIsNoDrop(t *testing.T) {
	t.Parallel()
	broker := testenv.Mosquitto(t)
	listen(t, broker.Addr())
	network := testenv.Proxy(t, broker.Addr())
	names := []string{"d-0001", "d-0002"}
	fleet, stop := start(t, device.Config{Address: network.Addr(), Count: 2, Prefix: "d-", Truth: device.NewTruthLog(nil)})
	for _, name := range names {
		did(t, fleet, name, device.Announced, 1)
	}
	network.Reset()
	for _, name := range names {
		did(t, fleet, name, device.Announced, 2)
	}
	stop()
	want := []device.What{
		device.Connecting, device.Connected, device.Announced, device.Lost,
		device.Connecting, device.Connected, device.Announced, device.Stopped,
	}
	for _, name := range names {
		if diff := gocmp.Diff(want, whats(fleet.Truth(), name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := device.Outages(fleet.Truth(), device.Observer{Delay: time.Minute}); len(got) != 0 {
		t.Errorf("got outages %v, want none", lines(got))
	}
	got := device.Outages(fleet.Truth(), device.Observer{Delay: time.Millisecond})
	if len(got) != 2 || got[0].Certain || got[1].Certain {
		t.Errorf("got outages %v, want two that are not certain", lines(got))
	}
}

// A `connect` that nobody has subscribed to is no announcement.
func TestFleet_NotAnnouncedToNobody(t *testing.T) {
	t.Parallel()
	broker := testenv.Mosquitto(t)
	fleet, stop := start(t, device.Config{Address: broker.Addr(), Count: 1, Prefix: "d-", Truth: device.NewTruthLog(nil)})
	atLeast(t, "devices", 1, func() int { return fleet.Stats().Connected })
	stop()
	want := []device.What{device.Connecting, device.Connected, device.Stopped}
	if diff := gocmp.Diff(want, whats(fleet.Truth(), "d-0001")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFleet_UncleanEndIsADrop(t *testing.T) {
	t.Parallel()
	broker := testenv.Mosquitto(t)
	listen(t, broker.Addr())
	fleet, stop := start(t, device.Config{Address: broker.Addr(), Count: 1, Prefix: "d-", Unclean: true, Truth: device.NewTruthLog(nil)})
	did(t, fleet, "d-0001", device.Announced, 1)
	stop()
	want := []device.What{device.Connecting, device.Connected, device.Announced, device.Dropped}
	if diff := gocmp.Diff(want, whats(fleet.Truth(), "d-0001")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
