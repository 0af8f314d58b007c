package device_test

import (
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"sluice/device"
)

func TestFlap(t *testing.T) {
	got := device.Flap(3, 3, 10*time.Second, 4*time.Second, time.Second)
	want := []device.Drop{
		{Device: 3, At: 10 * time.Second, Away: 4 * time.Second},
		{Device: 3, At: 15 * time.Second, Away: 4 * time.Second},
		{Device: 3, At: 20 * time.Second, Away: 4 * time.Second},
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func randomDrops(t *testing.T, p device.Plan) []device.Drop {
	t.Helper()
	drops, err := device.RandomDrops(p)
	if err != nil {
		t.Fatal(err)
	}
	return drops
}

func TestRandomDrops_SameSeedSameDrops(t *testing.T) {
	plan := device.Plan{Seed: 7, Devices: 50, Count: 100, Over: time.Hour, Flapping: 2}
	first := randomDrops(t, plan)
	if diff := gocmp.Diff(first, randomDrops(t, plan)); diff != "" {
		t.Errorf("of one seed (-first +second):\n%s", diff)
	}
	plan.Seed = 8
	if gocmp.Equal(first, randomDrops(t, plan)) {
		t.Error("two seeds gave the same drops")
	}
}

func TestRandomDrops_DealsTheSharesExactly(t *testing.T) {
	const delay, early, late, guard = 20 * time.Second, 3 * time.Second, 4 * time.Second, time.Second
	for seed := range uint64(20) {
		counts := map[string]int{}
		for _, drop := range randomDrops(t, device.Plan{
			Seed: seed, Devices: 100, Count: 200, Over: 30 * time.Minute, Delay: delay,
			Inside: 4, Near: 3, After: 2, Never: 1, Early: early, Late: late, Guard: guard, Longest: time.Minute,
		}) {
			switch away := drop.Away; {
			case away == 0:
				counts["never"]++
			case away < delay-early:
				counts["inside"]++
			case away <= delay-guard:
				counts["just before"]++
			case away < delay+guard:
				counts["in the guard"]++
			case away <= delay+late:
				counts["just after"]++
			case away <= time.Minute:
				counts["after"]++
			default:
				t.Errorf("seed %d: %v is too long", seed, away)
			}
		}
		want := map[string]int{"inside": 80, "just before": 30, "just after": 30, "after": 40, "never": 20}
		if diff := gocmp.Diff(want, counts); diff != "" {
			t.Errorf("seed %d (-want +got):\n%s", seed, diff)
		}
	}
}

func TestRandomDrops_SharesAddUp(t *testing.T) {
	for count := range 30 {
		drops := randomDrops(t, device.Plan{Devices: 1000, Count: count, Over: time.Hour, Inside: 1, Near: 1, After: 1})
		if len(drops) != count {
			t.Errorf("got %d drops, want %d", len(drops), count)
		}
	}
}

func TestRandomDrops_AbsencesOfADeviceDoNotOverlap(t *testing.T) {
	const over, up = 20 * time.Minute, 5 * time.Second
	for seed := range uint64(20) {
		drops := randomDrops(t, device.Plan{
			Seed: seed, Devices: 20, Count: 200, Over: over, Up: up,
			Inside: 20, Near: 10, After: 9, Never: 1, Flapping: 2, FlapDrops: 4,
		})
		if want := 200 + 2*4; len(drops) != want {
			t.Errorf("seed %d: got %d drops, want %d", seed, len(drops), want)
		}
		if !slices.IsSortedFunc(drops, func(a, b device.Drop) int { return int(a.At - b.At) }) {
			t.Errorf("seed %d: the drops are not in order", seed)
		}
		free := make([]time.Duration, 21) // when each device is up for long enough
		for _, drop := range drops {
			if drop.At < free[drop.Device] || drop.At+drop.Away > over || drop.Mute {
				t.Errorf("seed %d: %+v, the device is free from %v", seed, drop, free[drop.Device])
			}
			free[drop.Device] = drop.At + drop.Away + up
			if drop.Away == 0 {
				free[drop.Device] = over + 1
			}
		}
	}
}

func TestRandomDrops_FlapsInARow(t *testing.T) {
	drops := randomDrops(t, device.Plan{
		Devices: 3, Over: 5 * time.Minute, Delay: 10 * time.Second, Late: 2 * time.Second, Up: time.Second, Flapping: 1, FlapDrops: 6,
	})
	if diff := gocmp.Diff(device.Flap(drops[0].Device, 6, drops[0].At, 12*time.Second, time.Second), drops); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRandomDrops_RefusesBadPlans(t *testing.T) {
	good := device.Plan{Devices: 10, Count: 10, Over: time.Hour}
	randomDrops(t, good)
	for name, change := range map[string]func(p *device.Plan){
		"no devices":            func(p *device.Plan) { p.Devices = 0 },
		"no time":               func(p *device.Plan) { p.Over = 0 },
		"negative count":        func(p *device.Plan) { p.Count = -1 },
		"negative part":         func(p *device.Plan) { p.Near = -1 },
		"negative delay":        func(p *device.Plan) { p.Delay = -time.Second },
		"guard beyond early":    func(p *device.Plan) { p.Guard, p.Early = 2*time.Second, time.Second },
		"guard beyond late":     func(p *device.Plan) { p.Guard, p.Late = 2*time.Second, time.Second },
		"early beyond delay":    func(p *device.Plan) { p.Early = device.DefaultDelay },
		"longest is no longer":  func(p *device.Plan) { p.Longest = device.DefaultDelay + 3*time.Second },
		"over too short":        func(p *device.Plan) { p.Over = 20 * time.Second },
		"too many":              func(p *device.Plan) { p.Count = 10_000 },
		"more never than there": func(p *device.Plan) { p.Count, p.Never = 11, 1 },
		"no room to flap":       func(p *device.Plan) { p.Flapping, p.FlapDrops = 1, 1000 },
	} {
		plan := good
		change(&plan)
		if drops, err := device.RandomDrops(plan); err == nil {
			t.Errorf("%s: got %d drops and no error", name, len(drops))
		}
	}
}
