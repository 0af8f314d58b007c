package device_test

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"sluice/device"
)

var epoch = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// after returns the time that many seconds after epoch.
func after(t testing.TB, seconds string) time.Time {
	t.Helper()
	s, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		t.Fatal(err)
	}
	return epoch.Add(time.Duration(s * float64(time.Second)).Round(time.Microsecond))
}

// events reads a log such as "0 up, 10 dropped, 12 up": seconds and what. up is
// all three of an answered connect. A third word names the device, d otherwise.
func events(t testing.TB, log string) []device.TruthEvent {
	t.Helper()
	var all []device.TruthEvent
	for event := range strings.SplitSeq(log, ", ") {
		words := append(strings.Fields(event), "d")
		whats := []device.What{device.What(words[1])}
		if words[1] == "up" {
			whats = []device.What{device.Connecting, device.Connected, device.Announced}
		}
		for _, what := range whats {
			all = append(all, device.TruthEvent{Time: after(t, words[0]), Device: words[2], What: what})
		}
	}
	return all
}

// lines writes outages as "d lwt 10 to 40, back 50" and the reason of doubt.
func lines(outages []device.Outage) []string {
	var all []string
	for _, o := range outages {
		line := fmt.Sprintf("%s %v %v to %v", o.Device, o.Cause, o.Dropped.Sub(epoch).Seconds(), o.Deadline.Sub(epoch).Seconds())
		if !o.Back.IsZero() {
			line += fmt.Sprint(", back ", o.Back.Sub(epoch).Seconds())
		}
		if !o.Certain {
			line += "? " + o.Reason
		}
		all = append(all, line)
	}
	return all
}

// Delay 30 s and guard 1 s, unless a case says otherwise.
func TestOutages(t *testing.T) {
	const (
		lost        = "? the connection was lost, perhaps without a will"
		unanswered  = "? CONNECT was not answered, perhaps heard"
		unannounced = "? `connect` was not acknowledged, perhaps heard"
		back        = "? back near the deadline"
		mute        = "? away and mute at the same time"
		again       = "? mute again, perhaps before its first reading"
		restart     = "? the broker restarted"
		until       = "? the deadline was near the end"
	)
	at := func(seconds string) time.Time { return after(t, seconds) }
	restarts := func(from, to string) device.Observer {
		return device.Observer{Restarts: []device.Period{{From: at(from), To: at(to)}}}
	}
	silent := device.Observer{Silent: 20 * time.Second, Every: 2 * time.Second}
	for _, c := range []struct {
		name     string
		log      string
		observer device.Observer
		want     []string
	}{
		{name: "empty", log: "0 nothing"},
		{name: "never dropped", log: "0 up"},
		{name: "stopped", log: "0 up, 10 stopped"},

		{name: "back well inside", log: "0 up, 10 dropped, 15 up"},
		{name: "back just before the guard", log: "0 up, 10 dropped, 38.999 up"},
		{name: "back at the beginning of the guard", log: "0 up, 10 dropped, 39 up", want: []string{"d lwt 10 to 40, back 39" + back}},
		{name: "back at the deadline", log: "0 up, 10 dropped, 40 up", want: []string{"d lwt 10 to 40, back 40" + back}},
		{name: "back at the end of the guard", log: "0 up, 10 dropped, 41 up", want: []string{"d lwt 10 to 40, back 41" + back}},
		{name: "back just after the guard", log: "0 up, 10 dropped, 41.001 up", want: []string{"d lwt 10 to 40, back 41.001"}},
		{name: "back much later", log: "0 up, 10 dropped, 500 up", want: []string{"d lwt 10 to 40, back 500"}},
		{name: "never back", log: "0 up, 10 dropped", want: []string{"d lwt 10 to 40"}},
		{name: "only announced is logged", log: "0 announced, 10 dropped, 50 announced", want: []string{"d lwt 10 to 40, back 50"}},
		{name: "another delay", log: "0 up, 10 dropped, 13 up", observer: device.Observer{Delay: time.Second}, want: []string{"d lwt 10 to 11, back 13"}},

		// The observer may hear of `connect` any time between CONNACK and PUBACK.
		{
			name: "acknowledged after the deadline, perhaps heard before",
			log:  "0 up, 10 dropped, 30 connecting, 35 connected, 45 announced",
			want: []string{"d lwt 10 to 40, back 45" + back},
		},
		{name: "slow but inside", log: "0 up, 10 dropped, 30 connecting, 35 connected, 38 announced"},
		{
			name: "connected after the deadline",
			log:  "0 up, 10 dropped, 30 connecting, 42 connected, 43 announced",
			want: []string{"d lwt 10 to 40, back 43"},
		},
		{name: "attempts that failed do not count", log: "0 up, 10 dropped, 15 connecting, 25 connecting, 45 up", want: []string{"d lwt 10 to 40, back 45"}},
		{name: "cut while connecting", log: "0 up, 10 dropped, 15 connecting, 16 dropped, 45 up", want: []string{"d lwt 10 to 40, back 45"}},

		{name: "two outages", log: "0 up, 10 dropped, 50 up, 60 dropped, 100 up", want: []string{"d lwt 10 to 40, back 50", "d lwt 60 to 90, back 100"}},
		{name: "flapping inside", log: "0 up, 10 dropped, 15 up, 20 dropped, 25 up, 30 dropped, 35 up"},
		{
			name: "of three the second one", log: "0 up, 10 dropped, 15 up, 20 dropped, 75 up, 80 dropped, 85 up",
			want: []string{"d lwt 20 to 50, back 75"},
		},
		{
			name: "devices do not mix",
			log:  "0 up b, 0 up a, 10 dropped b, 12 dropped a, 14 up a, 20 dropped a, 50 up b",
			want: []string{"a lwt 20 to 50", "b lwt 10 to 40, back 50"},
		},
		{name: "the order of the lines does not matter", log: "50 up, 10 dropped, 0 up", want: []string{"d lwt 10 to 40, back 50"}},

		// A connection of which it is not known whether its `connect` was heard.
		{
			name: "unannounced, long before", log: "0 up, 10 dropped, 15 connecting, 15 connected, 16 dropped, 60 up",
			want: []string{"d lwt 10 to 40, back 60" + back, "d lwt 16 to 46, back 60" + unannounced},
		},
		{name: "unannounced, but announced soon", log: "0 up, 10 dropped, 15 connecting, 15 connected, 16 dropped, 20 up"},
		{
			name: "unannounced, announced between the deadlines", log: "0 up, 10 dropped, 25 connecting, 25 connected, 26 dropped, 45 up",
			want: []string{"d lwt 10 to 40, back 45" + back},
		},
		{
			name: "unannounced after the deadline", log: "0 up, 10 dropped, 50 connecting, 50 connected, 51 dropped, 90 up",
			want: []string{"d lwt 10 to 40, back 90", "d lwt 51 to 81, back 90" + unannounced},
		},
		{name: "unannounced at the end", log: "0 up, 10 dropped, 39 connecting, 39.5 connected", want: []string{"d lwt 10 to 40" + back}},
		{name: "unannounced at the end, later", log: "0 up, 10 dropped, 45 connecting, 45 connected", want: []string{"d lwt 10 to 40"}},
		{name: "stopped without being announced", log: "0 up, 10 dropped, 20 connecting, 20 connected, 21 stopped", want: []string{"d lwt 10 to 40" + back}},

		// The first connection: nobody misses the device yet.
		{name: "dropped unannounced", log: "0 connecting, 1 connected, 2 dropped", want: []string{"d lwt 2 to 32"}},
		{name: "first attempt not answered", log: "0 connecting, 10 up"},
		{name: "attempts not answered for long", log: "0 connecting, 10 connecting, 50 up", want: []string{"d lwt 0 to 30, back 50" + unanswered}},
		{name: "cut in the first attempt", log: "0 connecting, 3 dropped", want: []string{"d lwt 0 to 30" + unanswered}},
		{name: "no answer to the end", log: "0 connecting", want: []string{"d lwt 0 to 30" + unanswered}},

		{name: "lost, back soon", log: "0 up, 10 lost, 15 up"},
		{name: "lost, back late", log: "0 up, 10 lost, 50 up", want: []string{"d lwt 10 to 40, back 50" + lost}},
		{name: "lost for ever", log: "0 up, 10 lost", want: []string{"d lwt 10 to 40" + lost}},
		{name: "lost, then dropped", log: "0 up, 10 lost, 15 up, 20 dropped", want: []string{"d lwt 20 to 50"}},
		{name: "lost while connecting", log: "0 up, 10 dropped, 20 connecting, 21 lost, 60 up", want: []string{"d lwt 10 to 40, back 60"}},
		{
			name: "lost, silence counts sooner", log: "0 up, 10 lost, 31 up", observer: silent,
			want: []string{"d lwt 10 to 40, back 31" + lost},
		},

		{name: "restart while away", log: "0 up, 10 dropped, 60 up", observer: restarts("20", "25"), want: []string{"d lwt 10 to 40, back 60" + restart}},
		{name: "restart after the outage", log: "0 up, 10 dropped, 60 up", observer: restarts("41.001", "90"), want: []string{"d lwt 10 to 40, back 60"}},
		{name: "dropped in the grace", log: "0 up, 10 dropped, 60 up", observer: restarts("2", "10"), want: []string{"d lwt 10 to 40, back 60" + restart}},
		{name: "dropped after the grace", log: "0 up, 10 dropped, 60 up", observer: restarts("2", "9"), want: []string{"d lwt 10 to 40, back 60"}},
		{name: "restart while away, back inside", log: "0 up, 10 dropped, 30 up", observer: restarts("20", "25")},

		{name: "watched long enough", log: "0 up, 10 dropped", observer: device.Observer{Until: at("41.001")}, want: []string{"d lwt 10 to 40"}},
		{name: "watched almost long enough", log: "0 up, 10 dropped", observer: device.Observer{Until: at("41")}, want: []string{"d lwt 10 to 40" + until}},
		{name: "not watched long enough", log: "0 up, 10 dropped", observer: device.Observer{Until: at("38.999")}},

		// 20 s of silence, counted from the last reading or a quarter later: the
		// deadline is 18 to 25 s after muted.
		{name: "silence is no outage", log: "0 up, 10 muted, 90 unmuted"},
		{name: "mute for ever", log: "0 up, 10 muted", observer: silent, want: []string{"d silent 10 to 35"}},
		{name: "mute for long", log: "0 up, 10 muted, 36.001 unmuted", observer: silent, want: []string{"d silent 10 to 35, back 36.001"}},
		{name: "mute for about as long", log: "0 up, 10 muted, 36 unmuted", observer: silent, want: []string{"d silent 10 to 35, back 36" + back}},
		{name: "the first reading may be too late", log: "0 up, 10 muted, 25 unmuted", observer: silent, want: []string{"d silent 10 to 35, back 25" + back}},
		{name: "mute for a short time", log: "0 up, 10 muted, 24.999 unmuted", observer: silent},
		{
			name: "mute twice", log: "0 up, 10 muted, 40 unmuted, 50 muted, 55 unmuted, 60 muted", observer: silent,
			want: []string{"d silent 10 to 35, back 40", "d silent 60 to 85"},
		},
		{name: "stopped is silent", log: "0 up, 10 stopped", observer: silent, want: []string{"d silent 10 to 35"}},
		{name: "stopped while mute", log: "0 up, 10 muted, 20 stopped", observer: silent, want: []string{"d silent 10 to 35"}},
		{
			name: "dropped while mute", log: "0 up, 10 muted, 20 dropped, 70 up, 80 unmuted", observer: silent,
			want: []string{"d silent 10 to 35, back 70" + mute, "d lwt 20 to 50, back 70" + mute},
		},
		{
			name: "back while still mute", log: "0 up, 10 muted, 12 dropped, 15 up, 50 unmuted", observer: silent,
			want: []string{"d silent 15 to 40, back 50" + mute},
		},
		{
			name: "mute again at once", log: "0 up, 10 muted, 40 unmuted, 41 muted, 42 unmuted", observer: silent,
			want: []string{"d silent 10 to 35, back 40" + again},
		},
		{
			name: "mute again soon, for long", log: "0 up, 10 muted, 12 unmuted, 14 muted", observer: silent,
			want: []string{"d silent 10 to 35, back 12" + again, "d silent 14 to 39" + again},
		},
		{
			name: "dropped before the first reading", log: "0 up, 10 muted, 50 unmuted, 52 dropped", observer: silent,
			want: []string{"d silent 10 to 35, back 50" + mute, "d lwt 52 to 82" + mute},
		},
		{
			name: "dropped after it", log: "0 up, 10 muted, 50 unmuted, 53.001 dropped", observer: silent,
			want: []string{"d silent 10 to 35, back 50", "d lwt 53.001 to 83.001"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := c.observer
			o.Delay, o.Guard = cmp.Or(o.Delay, 30*time.Second), time.Second
			got := device.Outages(events(t, c.log), o)
			if diff := gocmp.Diff(c.want, lines(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.log, diff)
			}
			for _, out := range got {
				if out.Certain != (out.Reason == "") {
					t.Errorf("got certain %v with reason %q", out.Certain, out.Reason)
				}
			}
		})
	}
}

func TestOutages_DefaultsAreThoseOfTheFleet(t *testing.T) {
	got := lines(device.Outages(events(t, "0 up a, 10 dropped a, 39.5 up a, 0 up b, 10 dropped b, 40.5 up b"), device.Observer{}))
	if diff := gocmp.Diff([]string{"b lwt 10 to 40, back 40.5"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
