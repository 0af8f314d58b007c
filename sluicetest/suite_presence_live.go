package sluicetest

import (
	"time"

	"sluice"
)

// livenessTests are of the time up to which deadlines are judged.
var livenessTests = []deviceTest{
	{name: "Deadline_AfterCaughtUp_IsNotJudged", run: func(r *deviceRig) {
		r.tell(r.will("a", 0, 5*time.Second), r.will("b", 0, 6*time.Second))
		r.caughtUp(5*time.Second - time.Microsecond)
		r.judged(5*time.Second-time.Microsecond, 0) // whatever the time is
		r.caughtUp(5 * time.Second)
		r.judged(5*time.Second, 1)
		r.caughtUp(long)
		r.judged(long, 1)
	}},
	{name: "CaughtUp_CountsWithItsOwnGroup", run: func(r *deviceRig) {
		r.tell(r.will("a", 0, time.Second), r.will("b", 0, time.Second))
		r.attend()
		g := r.moves(r.connect("a", time.Second/2))
		g.CaughtUp = r.at(2 * time.Second)
		r.tellGroup(g)
		r.judged(2*time.Second, 1)
		r.inState("a", sluice.DeviceUp, 0)
	}},
	{name: "CaughtUp_OnlyGrows", run: func(r *deviceRig) {
		r.tell(r.will("a", 0, 5*time.Second))
		r.caughtUp(4 * time.Second)
		r.caughtUp(3 * time.Second)
		r.judged(4*time.Second, 0)
		r.tell(r.connect("b", 0)) // a group that says nothing of it
		r.judged(4*time.Second, 0)
	}},
	{name: "CaughtUp_OutlivesTheLease", run: func(r *deviceRig) {
		r.caughtUp(4 * time.Second)
		r.ok(r.q.Unlease(r.ctx, r.lease))
		r.lease, r.number = sluice.Lease{}, 0
		if a := r.attend(); a.CaughtUp != r.at(4*time.Second) {
			r.Fatalf("got caught_up %d, want %d", a.CaughtUp, r.at(4*time.Second))
		}
		r.judged(4*time.Second, 0)
		r.caughtUp(time.Second)
		r.judged(4*time.Second, 0)
	}},
	{name: "Attend_OfNewSession_KnowsNothing", run: func(r *deviceRig) {
		same(r.rig, "attendance", r.attend(), sluice.Attendance{})
		r.caughtUp(time.Second)
		other := r.join("other", long)
		same(r.rig, "attendance", other.attend(), sluice.Attendance{})
	}},
	{name: "Attend_KeepsWhenTheBrokerRan", run: func(r *deviceRig) {
		r.attend()
		for _, seen := range []time.Duration{5 * time.Second, 3 * time.Second, 0} {
			_, err := r.s.Attend(r.ctx, r.lease, r.at(seen))
			r.ok(err)
			if a := r.attend(); a.BrokerSeen != r.at(5*time.Second) {
				r.Fatalf("got %d, want the latest, %d", a.BrokerSeen, r.at(5*time.Second))
			}
		}
		other := r.join("other", long)
		if a := other.attend(); a.BrokerSeen != r.at(5*time.Second) {
			r.Fatalf("another session got %d, want the latest of all, %d", a.BrokerSeen, r.at(5*time.Second))
		}
		_, err := r.s.Attend(r.ctx, other.lease, r.at(7*time.Second))
		r.ok(err)
		if a := r.attend(); a.BrokerSeen != r.at(7*time.Second) {
			r.Fatalf("got %d, want what another session saw, %d", a.BrokerSeen, r.at(7*time.Second))
		}
	}},
	{name: "Session_ThatNeverAttended_JudgesNothing", run: func(r *deviceRig) {
		r.tell(r.will("a", 0, time.Second))
		r.attending = true // not truly
		r.caughtUp(long)
		r.judged(none, 0)
		r.attend()
		r.judged(long, 1)
	}},
	{name: "Session_WithoutCaughtUp_HoldsAllBack", run: func(r *deviceRig) {
		r.tell(r.will("a", 0, time.Second))
		r.attend()
		r.judged(none, 0)
		r.caughtUp(long)
		other := r.join("other", long)
		r.judged(none, 0)
		other.caughtUp(long)
		r.judged(long, 1)
	}},
	{name: "Sessions_LeastCaughtUpCounts", run: func(r *deviceRig) {
		r.tell(r.will("a", 0, time.Second), r.will("b", 0, 5*time.Second), r.will("c", 0, 9*time.Second))
		other, third := r.join("other", long), r.join("third", long)
		r.caughtUp(long)
		other.caughtUp(3 * time.Second)
		third.caughtUp(6 * time.Second)
		r.judged(3*time.Second, 1)
		other.caughtUp(20 * time.Second)
		r.judged(6*time.Second, 1)
		other.judged(6*time.Second, 0) // whoever asks
	}},
	{name: "Session_GivenUp_HoldsNobodyBack", run: func(r *deviceRig) {
		r.tell(r.will("a", 0, time.Second))
		other := r.join("other", long)
		r.caughtUp(long)
		r.judged(none, 0)
		r.ok(r.q.Unlease(r.ctx, other.lease))
		r.judged(long, 1)
	}},
	{name: "Session_Expired_HoldsNobodyBack", run: func(r *deviceRig) {
		r.tell(r.will("a", 0, time.Second))
		other := r.join("other", 20*time.Millisecond)
		r.caughtUp(long)
		r.pass(20 * time.Millisecond)
		r.ok(r.q.Renew(r.ctx, other.lease, long)) // nobody took it: it is live again
		r.judged(none, 0)
		r.ok(r.q.Renew(r.ctx, other.lease, time.Millisecond))
		r.pass(2 * time.Millisecond)
		r.judged(long, 1)
	}},
	{name: "Session_Expired_JudgesNothing", run: func(r *deviceRig) {
		r.tell(r.will("a", 0, time.Second))
		r.caughtUp(long)
		r.ok(r.q.Renew(r.ctx, r.lease, time.Millisecond))
		r.pass(2 * time.Millisecond)
		r.judged(none, 0) // its token is still the current one
		r.ok(r.q.Renew(r.ctx, r.lease, long))
		r.judged(long, 1)
	}},
}

// none stands for no caught_up.
const none = -1

// judged takes what is due, however late it is, and checks up to when that was
// judged, and how many devices fell.
func (r *deviceRig) judged(caughtUp time.Duration, fell int) {
	r.Helper()
	want := int64(0)
	if caughtUp != none {
		want = r.at(caughtUp)
	}
	if got := r.due(2 * long); got.CaughtUp != want || got.Fell != fell {
		r.Fatalf("got %+v, want caught_up %d and %d devices", got, want, fell)
	}
}
