package outagetest

import (
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"sluice"
	"sluice/device"
)

// told is one outage as a report told it.
type told struct {
	device string
	down   time.Time // when the router says it began
	at     time.Time // when the receiver had the report
}

// window is a time in which something was broken on purpose.
type window struct {
	name     string
	from, to time.Time
}

// verdict compares what was told with the truth.
type verdict struct {
	certain, doubtful, overtaken, toldCount int
	missed, wrong, doubled                  []string
	calm, late                              []time.Duration // how late: with nothing broken, and in or after a fault
}

// slack is how much earlier than the device's own clock says a router may hear of
// a closed socket: none, but for the rounding of clocks.
const slack = 50 * time.Millisecond

// judge matches every told outage with one of the truth. An outage belongs to the
// newest of the same device that had begun. early is how long before the latest
// deadline for silence a device may be down for it: the truth does not say when its
// last reading came.
func judge(truth []device.Outage, all []told, faults []window, early time.Duration) *verdict {
	v := &verdict{toldCount: len(all)}
	used := make([]int, len(truth))
	for _, x := range all {
		i := match(truth, x, early)
		if i < 0 {
			v.wrong = append(v.wrong, fmt.Sprintf("%s down at %s", x.device, x.down.Format(time.TimeOnly+".000")))
			continue
		}
		used[i]++
		o := truth[i]
		if used[i] > 1 {
			v.doubled = append(v.doubled, describe(o))
		} else if o.Certain {
			v.note(o, x, faults)
		}
	}
	for i, o := range truth {
		switch {
		case !o.Certain:
			v.doubtful++
		case used[i] == 0 && overtaken(o, faults):
			v.overtaken++
		case used[i] == 0:
			v.missed = append(v.missed, describe(o))
			fallthrough
		default:
			v.certain++
		}
	}
	return v
}

// match finds the outage that was told: it began at its deadline at the earliest,
// and before the device was back and heard.
func match(truth []device.Outage, x told, early time.Duration) int {
	best := -1
	for i, o := range truth {
		if o.Device != x.device || x.down.Before(o.Dropped) {
			continue
		}
		from := o.Deadline.Add(-slack)
		if o.Cause == sluice.CauseSilent {
			from = from.Add(-early)
		}
		if o.Certain && x.down.Before(from) {
			continue
		}
		if best < 0 || o.Dropped.After(truth[best].Dropped) {
			best = i
		}
	}
	return best
}

// note records how late a report was. One that a fault held up is late from the
// fault's end on.
func (v *verdict) note(o device.Outage, x told, faults []window) {
	due, calm := o.Deadline, true
	for _, f := range faults {
		if o.Dropped.Before(f.to.Add(recovery)) && x.at.After(f.from) {
			calm = false
			if due.Before(f.to) {
				due = f.to
			}
		}
	}
	if late := x.at.Sub(due); calm {
		v.calm = append(v.calm, late)
	} else {
		v.late = append(v.late, late)
	}
}

// overtaken tells that a device was back before anybody could have judged that it
// was down: its will, or the judgement, had to wait for the end of a fault. From
// then on the delay runs of a will that came in it.
func overtaken(o device.Outage, faults []window) bool {
	for _, f := range faults {
		ready := f.to
		if o.Dropped.After(f.from.Add(-slack)) {
			ready = ready.Add(o.Deadline.Sub(o.Dropped))
		}
		during := o.Deadline.After(f.from.Add(-time.Second)) && o.Dropped.Before(f.to)
		if during && !o.Back.IsZero() && o.Back.Before(ready.Add(2*time.Second)) {
			return true
		}
	}
	return false
}

// recovery is how long after a fault the pipeline may still be catching up.
const recovery = 15 * time.Second

func describe(o device.Outage) string {
	return fmt.Sprintf("%s dropped %s, deadline %s, back %s (%s)", o.Device, o.Dropped.Format(time.TimeOnly+".000"),
		o.Deadline.Format(time.TimeOnly+".000"), o.Back.Format(time.TimeOnly+".000"), o.Cause)
}

// quantile returns the q-quantile, 0 of nothing.
func quantile(ds []time.Duration, q float64) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	ds = slices.Sorted(slices.Values(ds))
	return ds[min(int(q*float64(len(ds))), len(ds)-1)].Round(time.Millisecond)
}

func (v *verdict) table(w io.Writer) {
	row := func(what string, value any) { fmt.Fprintf(w, "  %-44s %v\n", what, value) }
	row("outages that must be told", v.certain)
	row("outages near the deadline or in doubt", v.doubtful)
	row("outages over before a fault was", v.overtaken)
	row("outages told", v.toldCount)
	row("missed", len(v.missed))
	row("false", len(v.wrong))
	row("told twice", len(v.doubled))
	if len(v.calm)+len(v.late) == 0 {
		return
	}
	row("late, nothing broken: p50 / p99 / most", fmt.Sprintf("%v / %v / %v of %d", quantile(v.calm, 0.5), quantile(v.calm, 0.99), quantile(v.calm, 1), len(v.calm)))
	row("late, in or after a fault: p50 / p99 / most", fmt.Sprintf("%v / %v / %v of %d", quantile(v.late, 0.5), quantile(v.late, 0.99), quantile(v.late, 1), len(v.late)))
}

// check fails the test for anything that was not as promised.
func (v *verdict) check(t testing.TB) {
	t.Helper()
	for what, list := range map[string][]string{"missed": v.missed, "false": v.wrong, "told twice": v.doubled} {
		for _, o := range list {
			t.Errorf("%s: %s", what, o)
		}
	}
	if v.certain == 0 {
		t.Error("nothing was tried: no outage was certain")
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return time.Unix(1_800_000_000+int64(s), 0) }
	truth := []device.Outage{
		{Device: "a", Dropped: at(0), Deadline: at(3), Back: at(10), Certain: true},
		{Device: "a", Dropped: at(20), Deadline: at(23), Back: at(30), Certain: true},
		{Device: "b", Dropped: at(0), Deadline: at(3), Back: at(3), Certain: false},
	}
	good := []told{{"a", at(3), at(4)}, {"a", at(23), at(24)}}
	for _, c := range []struct {
		name                   string
		told                   []told
		missed, wrong, doubled int
	}{
		{"all told", good, 0, 0, 0},
		{"the doubtful one too", append([]told{{"b", at(3), at(4)}}, good...), 0, 0, 0},
		{"one missed", good[:1], 1, 0, 0},
		{"one twice", append([]told{{"a", at(24), at(25)}}, good...), 0, 0, 1},
		{"before the deadline", append([]told{{"a", at(1), at(2)}}, good...), 0, 1, 0},
		{"before anything happened", append([]told{{"b", at(-1), at(0)}}, good...), 0, 1, 0},
		{"of another device", append([]told{{"c", at(3), at(4)}}, good...), 0, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := judge(truth, c.told, nil, 0)
			if len(v.missed) != c.missed || len(v.wrong) != c.wrong || len(v.doubled) != c.doubled {
				t.Errorf("got %+v, want %d missed, %d false, %d doubled", v, c.missed, c.wrong, c.doubled)
			}
		})
	}
}
