package notify

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice"
	"sluice/gen/sluicev1"
)

func compose(events ...*event) *Report { return Compose(plant, id, events) }

func TestCompose_NothingToSay(t *testing.T) {
	t.Parallel()
	for name, events := range map[string][]*event{
		"no events":                 nil,
		"muted":                     {outage("a", 1, muted), recovery("a", 1, 2, muted), steadied("b", up, muted)},
		"muted while it flaps":      {outage("a", 1, flapBegan, muted)},
		"flapping on":               {outage("a", 1, flapOn), recovery("a", 1, 2, flapOn)},
		"changes that are no event": {{Kind: sluicev1.PresenceKind_PRESENCE_KIND_CHANGED, Device: "a"}, {Kind: 99}, {}},
		"reports and forgetting":    {{Kind: sluicev1.PresenceKind_PRESENCE_KIND_REPORTED, Device: "a"}, {Kind: sluicev1.PresenceKind_PRESENCE_KIND_FORGOTTEN}},
	} {
		if got := compose(events...); got != nil {
			t.Errorf("%s: got %+v, want nothing", name, got)
		}
	}
}

func TestCompose_SortsEventsIntoLists(t *testing.T) {
	t.Parallel()
	got := compose(
		restarted(5, 1),
		outage("back", 10, cause(grace)),
		outage("gone", 11, cause(silent)),
		recovery("back", 10, 12),
		recovery("old", -60, 13, cause(sluicev1.PresenceCause_PRESENCE_CAUSE_DATA)),
		outage("flap", 14, flapBegan),
		recovery("flap", 14, 15, flapOn),
		steadied("calm", down),
		steadied("calmer", up),
	)
	want := &Report{
		ID: id, Facility: "plant-1", At: at(700),
		Summary:    "plant-1: the broker was restarted, 1 device down, 1 flapping, 1 down and back again, 1 back, 2 steady again",
		Outages:    []Outage{{"gone", "silent", at(11), at(-19), time.Time{}}, {"back", "grace", at(10), at(-20), at(12)}},
		Flapping:   []Flap{{"flap", "lwt", at(14), 4}},
		Recoveries: []Recovery{{"old", "data", at(-60), at(13)}},
		Steady:     []Steady{{"calm", "down", at(100)}, {"calmer", "up", time.Time{}}},
		Restarts:   []Restart{{Noticed: at(5), Started: at(1), Until: at(125)}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCompose_RecoveryBelongsToTheOutageWithItsTime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		events     []*event
		down, back int // outages
		recoveries int
	}{
		"same outage":                  {[]*event{outage("a", 1), recovery("a", 1, 2)}, 0, 1, 0},
		"falls again":                  {[]*event{outage("a", 1), recovery("a", 1, 2), outage("a", 3)}, 1, 1, 0},
		"falls again and comes back":   {[]*event{outage("a", 1), recovery("a", 1, 2), outage("a", 3), recovery("a", 3, 4)}, 0, 2, 0},
		"end of an earlier one first":  {[]*event{recovery("a", -9, 0), outage("a", 1)}, 1, 0, 1},
		"of another device":            {[]*event{outage("a", 1), recovery("b", 1, 2)}, 1, 0, 1},
		"the outage was muted":         {[]*event{outage("a", 1, muted), recovery("a", 1, 2, muted)}, 0, 0, 0},
		"comes twice":                  {[]*event{outage("a", 1), outage("a", 1), recovery("a", 1, 2)}, 0, 1, 0},
		"it flaps by now":              {[]*event{outage("a", 1), recovery("a", 1, 2, flapOn)}, 0, 1, 0},
		"of the one that began to":     {[]*event{outage("a", 1, flapBegan), recovery("a", 1, 2)}, 0, 0, 0},
		"without a time, but it is up": {[]*event{outage("a", 1), changed(recovery("a", 1, 2), []func(*event){func(e *event) { e.At = 0 }})}, 0, 1, 0},
	} {
		var down, back, recoveries int
		if r := compose(c.events...); r != nil {
			for _, o := range r.Outages {
				back += order(o)
			}
			down, recoveries = len(r.Outages)-back, len(r.Recoveries)
		}
		if down != c.down || back != c.back || recoveries != c.recoveries {
			t.Errorf("%s: got %d down, %d back, %d recoveries; want %d, %d, %d", name, down, back, recoveries, c.down, c.back, c.recoveries)
		}
	}
}

func TestCompose_Storm(t *testing.T) {
	t.Parallel()
	twice := append(outages(6, 1, alive(10)), outages(6, 1, alive(10), func(e *event) { e.At++; e.DownAt++ })...)
	for name, c := range map[string]struct {
		events []*event
		want   *Storm
	}{
		"more than half":              {outages(41, 0.8), &Storm{41, 50, at(0), at(0.8)}},
		"just half":                   {outages(25, 1), nil},
		"more than half, but few":     {outages(9, 1, alive(9)), nil},
		"ten of ten":                  {outages(10, 1, alive(10)), &Storm{10, 10, at(0), at(1)}},
		"few are wanted":              {append(outages(9, 1), outages(30, 1, muted)...), nil},
		"muted ones do not count":     {append(outages(20, 1, muted), outages(30, 1)[20:]...), nil},
		"the first is muted":          {append([]*event{outage("m", 0, muted, alive(12))}, outages(10, 1, alive(99))...), &Storm{10, 12, at(0), at(1)}},
		"only the first alive counts": {append(outages(10, 0, alive(19)), outage("z", 1, alive(1000))), &Storm{11, 19, at(0), at(1)}},
		"a device counts once":        {twice, nil},
		"back meanwhile counts":       {append(outages(10, 1, alive(10)), recovery("dev-1", 0, 2)), &Storm{10, 10, at(0), at(1)}},
		"all flap for the first time": {outages(30, 1, flapBegan), &Storm{30, 50, at(0), at(1)}},
		"all flap on":                 {outages(30, 1, flapOn), nil},
		"only recoveries":             {[]*event{recovery("a", 1, 2)}, nil},
	} {
		var got *Storm
		if r := compose(c.events...); r != nil {
			got = r.Storm
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A damaged event must not make a report that no encoder takes: it would be tried
// for ever.
func TestCompose_TimesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, us := range []int64{0, -1, math.MinInt64, math.MaxInt64, maxMoment + 1, maxMoment} {
		set := func(e *event) { e.At, e.DownAt, e.LostAt = us, us, us }
		r := compose(outage("a", 1, set), recovery("b", 1, 2, set), steadied("c", down, set), changed(restarted(1, 1), []func(*event){set}))
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("%d: %v", us, err)
		}
		if r.Text() == "" {
			t.Errorf("%d: no text", us)
		}
	}
}

func TestCompose_RestartKeepsWhatIsKnown(t *testing.T) {
	t.Parallel()
	unknown := restarted(5, 0)
	unknown.DownAt = 0
	want := []Restart{{Noticed: at(5)}}
	if diff := cmp.Diff(want, Compose(Config{Facility: "p"}, id, []*event{unknown}).Restarts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Whatever the events: every wanted outage is in the report once, as down, back or
// flapping; nothing else is; and the report is the same every time.
func TestCompose_ListsEveryWantedOutageOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOf(rapid.Custom(anyEvent)).Draw(t, "events")
		wantedKeys := map[outageKey]bool{}
		said := false
		for _, e := range events {
			if e.Kind == sluicev1.PresenceKind_PRESENCE_KIND_OUTAGE && wanted(e) {
				wantedKeys[keyOf(e)] = true
			}
			said = said || !e.Muted && e.Flap != goesOn
		}
		r := compose(events...)
		if r == nil {
			if said {
				t.Fatal("no report, although there is something to say")
			}
			return
		}
		if got := len(r.Outages) + len(r.Flapping); got != len(wantedKeys) {
			t.Fatalf("got %d outages, want %d", got, len(wantedKeys))
		}
		if diff := cmp.Diff(r, compose(events...)); diff != "" {
			t.Fatalf("two reports of the same events:\n%s", diff)
		}
	})
}

func anyEvent(t *rapid.T) *event {
	device := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "device")
	when := float64(rapid.IntRange(1, 5).Draw(t, "time"))
	change := func(e *event) {
		e.Muted = rapid.Bool().Draw(t, "muted")
		e.Flap = rapid.SampledFrom([]sluicev1.PresenceFlap{0, began, goesOn}).Draw(t, "flap")
	}
	switch rapid.IntRange(0, 1).Draw(t, "kind") {
	case 0:
		return outage(device, when, change)
	default:
		change = func(e *event) { e.Muted, e.Flap = true, goesOn } // says nothing by itself
		return recovery(device, when, when+1, change)
	}
}

func TestReport_Top(t *testing.T) {
	t.Parallel()
	full := &Report{
		ID: id, Outages: make([]Outage, 3), Flapping: make([]Flap, 2), Recoveries: make([]Recovery, 2), Steady: make([]Steady, 1), Restarts: make([]Restart, 9),
	}
	for n, want := range map[int][]int{0: {0, 0, 0, 0}, 2: {2, 0, 0, 0}, 4: {3, 1, 0, 0}, 7: {3, 2, 2, 0}, 8: {3, 2, 2, 1}, 99: {3, 2, 2, 1}} {
		top, more := full.Top(n)
		got := []int{len(top.Outages), len(top.Flapping), len(top.Recoveries), len(top.Steady)}
		if !slices.Equal(got, want) || more != max(0, 8-n) || len(top.Restarts) != 9 || top.ID != id {
			t.Errorf("top %d: got %v and %d more, want %v and %d", n, got, more, want, max(0, 8-n))
		}
	}
	if len(full.Outages) != 3 {
		t.Error("Top changed the report")
	}
}

// The words of reports are those of the root package.
func TestWords_AreThoseOfSluice(t *testing.T) {
	t.Parallel()
	for c, want := range map[sluicev1.PresenceCause]sluice.Cause{
		0: sluice.CauseNone, lwt: sluice.CauseWill, silent: sluice.CauseSilent, grace: sluice.CauseGrace,
		connect: sluice.CauseConnect, sluicev1.PresenceCause_PRESENCE_CAUSE_DATA: sluice.CauseData, 99: sluice.CauseNone,
	} {
		if got := causeWord(c); got != want.String() {
			t.Errorf("%v: got %q, want %q", c, got, want)
		}
	}
	for s, want := range map[sluicev1.PresenceState]sluice.DeviceState{
		0: 0, up: sluice.DeviceUp, suspect: sluice.DeviceSuspect, down: sluice.DeviceDown,
	} {
		if got := stateWord(s); got != want.String() {
			t.Errorf("%v: got %q, want %q", s, got, want)
		}
	}
}
