package device_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"sluice/device"
	"sluice/internal/testenv"
)

func TestFleet_MuteDeviceStaysConnectedAndSendsNothing(t *testing.T) {
	t.Parallel()
	broker := testenv.Mosquitto(t)
	l := listen(t, broker.Addr())
	fleet, stop := start(t, device.Config{
		Address: broker.Addr(), Count: 3, Prefix: "d-", OwnTopics: true, Interval: 500 * time.Millisecond,
		Truth: device.NewTruthLog(nil), Drops: []device.Drop{{Device: 3, At: time.Second, Away: time.Second, Mute: true}},
	})
	readings := func(name string) int { return len(l.on("data/sensor/" + name)) }
	atLeast(t, "readings", 1, func() int { return readings("d-0001") })
	if err := fleet.Mute("d-0001", 3*time.Second); err != nil {
		t.Fatal(err)
	}
	did(t, fleet, "d-0001", device.Muted, 1)
	did(t, fleet, "d-0001", device.Unmuted, 1)
	did(t, fleet, "d-0003", device.Unmuted, 1)
	before := readings("d-0001")
	atLeast(t, "readings", before+3, func() int { return readings("d-0001") })
	stop()

	from, to := when(fleet.Truth(), "d-0001", device.Muted)[0], when(fleet.Truth(), "d-0001", device.Unmuted)[0]
	if to.Sub(from) < 2*time.Second {
		t.Errorf("mute for %v, want about 3s", to.Sub(from))
	}
	heard := map[string]int{} // while it was mute, the last reading before having come for sure
	l.mu.Lock()
	for _, a := range l.arrivals {
		if a.at.After(from.Add(time.Second)) && a.at.Before(to) {
			heard[a.topic]++
		}
	}
	l.mu.Unlock()
	if heard["data/sensor/d-0001"] != 0 || heard["data/sensor/d-0002"] == 0 {
		t.Errorf("got %v, want readings of d-0002 and none of d-0001", heard)
	}
	want := []device.What{device.Connecting, device.Connected, device.Announced, device.Muted, device.Unmuted, device.Stopped}
	for _, name := range []string{"d-0001", "d-0003"} {
		if diff := gocmp.Diff(want, whats(fleet.Truth(), name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if s := fleet.Stats(); s.Acked != s.Taken {
		t.Errorf("got %v, want all readings acked in the end", s)
	}
	if got := lines(device.Outages(fleet.Truth(), device.Observer{Silent: time.Second, Every: 100 * time.Millisecond, Until: to})); len(got) == 0 || got[0][:13] != "d-0001 silent" {
		t.Errorf("outages by a silence of 1 s: got %v", got)
	}
}

// A mute device that is dropped as well is mute when it comes back.
func TestFleet_MuteOutlivesAConnection(t *testing.T) {
	t.Parallel()
	broker := testenv.Mosquitto(t)
	listen(t, broker.Addr())
	fleet, stop := start(t, device.Config{Address: broker.Addr(), Count: 1, Prefix: "d-", Interval: 500 * time.Millisecond, Truth: device.NewTruthLog(nil)})
	did(t, fleet, "d-0001", device.Announced, 1)
	if err := fleet.Mute("d-0001", 0); err != nil {
		t.Fatal(err)
	}
	did(t, fleet, "d-0001", device.Muted, 1)
	if err := fleet.Drop("d-0001", time.Millisecond); err != nil {
		t.Fatal(err)
	}
	did(t, fleet, "d-0001", device.Announced, 2)
	acked := fleet.Stats().Acked
	atLeast(t, "readings kept", 2, func() int { return fleet.Stats().Kept })
	if got := fleet.Stats().Acked; got != acked {
		t.Errorf("got %d readings acked while mute", got-acked)
	}
	if err := fleet.Mute("d-0001", time.Nanosecond); err != nil {
		t.Fatal(err)
	}
	did(t, fleet, "d-0001", device.Unmuted, 1)
	atLeast(t, "readings", int(acked)+2, func() int { return int(fleet.Stats().Acked) })
	stop()
	want := []device.What{
		device.Connecting, device.Connected, device.Announced, device.Muted, device.Dropped,
		device.Connecting, device.Connected, device.Announced, device.Unmuted, device.Stopped,
	}
	if diff := gocmp.Diff(want, whats(fleet.Truth(), "d-0001")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Readings are taken while a device is away, unless it is dark.
func TestFleet_ReadingsWhileAway(t *testing.T) {
	t.Parallel()
	for _, dark := range []bool{false, true} {
		t.Run(fmt.Sprintf("dark=%v", dark), func(t *testing.T) {
			t.Parallel()
			broker := testenv.Mosquitto(t)
			l := listen(t, broker.Addr())
			fleet, stop := start(t, device.Config{
				Address: broker.Addr(), Count: 1, Prefix: "d-", Interval: 300 * time.Millisecond, Dark: dark, Truth: device.NewTruthLog(nil),
			})
			atLeast(t, "readings", 1, func() int { return len(l.on("data/sensor")) })
			if err := fleet.Drop("d-0001", 3*time.Second); err != nil {
				t.Fatal(err)
			}
			did(t, fleet, "d-0001", device.Announced, 2)
			back := when(fleet.Truth(), "d-0001", device.Announced)[1].Unix()
			testenv.Eventually(t, within, func() error {
				if all := l.readings(t, "data/sensor"); all[len(all)-1].Epoch <= back {
					return errors.New("no new reading yet")
				}
				return nil
			})
			stop()
			from, to := when(fleet.Truth(), "d-0001", device.Dropped)[0].Unix(), when(fleet.Truth(), "d-0001", device.Connecting)[1].Unix()
			meanwhile := 0
			for _, r := range l.readings(t, "data/sensor") {
				if r.Epoch > from && r.Epoch < to {
					meanwhile++
				}
			}
			if (meanwhile == 0) != dark {
				t.Errorf("got %d readings of the time away", meanwhile)
			}
		})
	}
}
