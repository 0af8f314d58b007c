package outagekit

import (
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"sluice"
	"sluice/device"
)

// Told is one outage as a report told it.
type Told struct {
	Device string
	Down   time.Time // when the router says it began
	At     time.Time // when the receiver had the report
}

// Window is a time in which something was broken on purpose.
type Window struct {
	Name     string
	From, To time.Time
}

// Verdict compares what was told with the truth.
type Verdict struct {
	Certain, Doubtful, Overtaken, ToldCount int
	Missed, Wrong, Doubled                  []string
	Calm, Late                              []time.Duration // how late: with nothing broken, and in or after a fault
}

// slack is how much earlier than the device's own clock says a router may hear of
// a closed socket: none, but for the rounding of clocks.
const slack = 50 * time.Millisecond

// Judge matches every told outage with one of the truth. An outage belongs to the
// newest of the same device that had begun. early is how long before the latest
// deadline for silence a device may be down for it: the truth does not say when its
// last reading came.
func Judge(truth []device.Outage, all []Told, faults []Window, early time.Duration) *Verdict {
	v := &Verdict{ToldCount: len(all)}
	used := make([]int, len(truth))
	for _, x := range all {
		i := match(truth, x, early)
		if i < 0 {
			v.Wrong = append(v.Wrong, fmt.Sprintf("%s down at %s", x.Device, x.Down.Format(time.TimeOnly+".000")))
			continue
		}
		used[i]++
		o := truth[i]
		if used[i] > 1 {
			v.Doubled = append(v.Doubled, describe(o))
		} else if o.Certain {
			v.note(o, x, faults)
		}
	}
	for i, o := range truth {
		switch {
		case !o.Certain:
			v.Doubtful++
		case used[i] == 0 && overtaken(o, faults):
			v.Overtaken++
		case used[i] == 0:
			v.Missed = append(v.Missed, describe(o))
			fallthrough
		default:
			v.Certain++
		}
	}
	return v
}

// match finds the outage that was told: it began at its deadline at the earliest,
// and before the device was back and heard.
func match(truth []device.Outage, x Told, early time.Duration) int {
	best := -1
	for i, o := range truth {
		if o.Device != x.Device || x.Down.Before(o.Dropped) {
			continue
		}
		from := o.Deadline.Add(-slack)
		if o.Cause == sluice.CauseSilent {
			from = from.Add(-early)
		}
		if o.Certain && x.Down.Before(from) {
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
func (v *Verdict) note(o device.Outage, x Told, faults []Window) {
	due, calm := o.Deadline, true
	for _, f := range faults {
		if o.Dropped.Before(f.To.Add(Recovery)) && x.At.After(f.From) {
			calm = false
			if due.Before(f.To) {
				due = f.To
			}
		}
	}
	if late := x.At.Sub(due); calm {
		v.Calm = append(v.Calm, late)
	} else {
		v.Late = append(v.Late, late)
	}
}

// overtaken tells that a device was back before anybody could have judged that it
// was down: its will, or the judgement, had to wait for the end of a fault. From
// then on the delay runs of a will that came in it.
func overtaken(o device.Outage, faults []Window) bool {
	for _, f := range faults {
		ready := f.To
		if o.Dropped.After(f.From.Add(-slack)) {
			ready = ready.Add(o.Deadline.Sub(o.Dropped))
		}
		during := o.Deadline.After(f.From.Add(-time.Second)) && o.Dropped.Before(f.To)
		if during && !o.Back.IsZero() && o.Back.Before(ready.Add(2*time.Second)) {
			return true
		}
	}
	return false
}

// Recovery is how long after a fault the pipeline may still be catching up.
const Recovery = 15 * time.Second

func describe(o device.Outage) string {
	return fmt.Sprintf("%s dropped %s, deadline %s, back %s (%s)", o.Device, o.Dropped.Format(time.TimeOnly+".000"),
		o.Deadline.Format(time.TimeOnly+".000"), o.Back.Format(time.TimeOnly+".000"), o.Cause)
}

// Quantile returns the q-quantile, 0 of nothing.
func Quantile(ds []time.Duration, q float64) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	ds = slices.Sorted(slices.Values(ds))
	return ds[min(int(q*float64(len(ds))), len(ds)-1)].Round(time.Millisecond)
}

// Table writes the counts.
func (v *Verdict) Table(w io.Writer) {
	row := func(what string, value any) { fmt.Fprintf(w, "  %-44s %v\n", what, value) }
	row("outages that must be told", v.Certain)
	row("outages near the deadline or in doubt", v.Doubtful)
	row("outages over before a fault was", v.Overtaken)
	row("outages told", v.ToldCount)
	row("missed", len(v.Missed))
	row("false", len(v.Wrong))
	row("told twice", len(v.Doubled))
	if len(v.Calm)+len(v.Late) == 0 {
		return
	}
	row("late, nothing broken: p50 / p99 / most", fmt.Sprintf("%v / %v / %v of %d", Quantile(v.Calm, 0.5), Quantile(v.Calm, 0.99), Quantile(v.Calm, 1), len(v.Calm)))
	row("late, in or after a fault: p50 / p99 / most", fmt.Sprintf("%v / %v / %v of %d", Quantile(v.Late, 0.5), Quantile(v.Late, 0.99), Quantile(v.Late, 1), len(v.Late)))
}

// Check fails the test for anything that was not as promised.
func (v *Verdict) Check(t testing.TB) {
	t.Helper()
	for what, list := range map[string][]string{"missed": v.Missed, "false": v.Wrong, "told twice": v.Doubled} {
		for _, o := range list {
			t.Errorf("%s: %s", what, o)
		}
	}
	if v.Certain == 0 {
		t.Error("nothing was tried: no outage was certain")
	}
}
