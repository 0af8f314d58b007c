package sluicetest

import (
	"errors"
	"fmt"
	"time"

	"sluice"
)

// refusalTests are of groups that are refused, or were appended before.
var refusalTests = []deviceTest{
	{name: "Moves_OfFencedGroup_AreNotMade", run: func(r *deviceRig) {
		r.hold()
		old := r.lease
		l, err := r.q.Lease(r.ctx, old.Session, "a", long)
		r.ok(err)
		r.lease, r.number = l, 0
		r.populate()
		g := r.full(r.connect("a", 0), r.will("new", 0, time.Second))
		g.Lease = old
		r.refused(g, func(err error) { r.is("Append", err, sluice.ErrFenced) })
	}},
	{name: "Moves_OfGroupAfterGap_AreNotMade", run: func(r *deviceRig) {
		r.populate()
		g := r.full(r.connect("a", 0), r.will("new", 0, time.Second))
		for _, n := range []uint64{0, 1, g.Number + 1} {
			g.Number = n
			r.refused(g, func(err error) {
				if err == nil || errors.Is(err, sluice.ErrFenced) {
					r.Fatalf("group %d: got error %v, want one of its own", n, err)
				}
			})
		}
	}},
	{name: "Moves_OfTooManyDevices_AreNotMade", run: func(r *deviceRig) {
		r.populate() // a, b and c
		r.settings.MaxDevices = 5
		g := r.full(
			r.connect("a", 0), r.connect("new1", 0), r.will("a", 0, time.Second), r.seen("new2", 0, 0), r.connect("over", 0),
			r.will("new1", 0, time.Second), r.will("over", 0, time.Second), r.connect("late", 0), r.connect("b", 0),
		)
		r.refused(g, r.limit(4, 6, 7))
		g.Moves = append(append(g.Moves[:4:4], g.Moves[5]), g.Moves[8])
		r.tellGroup(g) // the same number
		if n := len(r.devices()); n != 5 {
			r.Fatalf("%d devices are known, want 5", n)
		}
	}},
	{name: "Limit_HoldsAcrossGroups", run: func(r *deviceRig) {
		r.settings.MaxDevices = 2
		r.tell(r.connect("a", 0))
		r.tell(r.connect("b", 0))
		r.refused(r.full(r.seen("c", 0, 0)), r.limit(0))
		r.tellGroup(r.again(r.connect("a", 0), r.connect("b", 0)))
		r.settings.MaxDevices = 1 // it was lowered: who is known stays so
		r.tell(r.connect("a", 0), r.connect("b", 0))
		if ok, err := r.s.ForgetDevice(r.ctx, "a"); !ok || err != nil {
			r.Fatalf("got %v, %v", ok, err)
		}
		r.refused(r.full(r.seen("a", 0, 0)), r.limit(0))
		r.settings.MaxDevices = 2
		r.tellGroup(r.again(r.seen("a", 0, 0)))
	}},
	{name: "Limit_OfZero_IsNone", run: func(r *deviceRig) {
		r.settings.MaxDevices = 0
		var ms []sluice.Move
		for i := range 200 {
			ms = append(ms, r.connect(fmt.Sprint("d", i), 0))
		}
		r.tell(ms...)
	}},
	{name: "Moves_OfRepeatedGroup_AreMadeOnce", run: func(r *deviceRig) {
		r.knock(0, "back")
		g := r.full(r.connect("back", 5*time.Second), r.connect("a", 5*time.Second), r.will("a", 5*time.Second, time.Second))
		first := r.appendGroup(g)
		before := r.image()
		for range 2 {
			again := r.appendGroup(g)
			if !again.Repeated {
				r.Fatal("a repeat is not called one")
			}
			same(r.rig, "receipt", again.Presence, first.Presence)
		}
		same(r.rig, "store", r.image(), before)
		if d := r.device("a"); d.Generation != 1 {
			r.Fatalf("generation %d, want 1", d.Generation)
		}
		r.falls(10*time.Second, 1)
		same(r.rig, "outages", outagesOf(r.events(sluice.QueueEvents)), map[string]int{"a": 1, "back": 1})
	}},
}

// populate makes devices known.
func (r *deviceRig) populate() {
	r.Helper()
	r.tell(r.connect("a", 0), r.connect("b", 0), r.seen("c", 0, 0), r.will("c", 0, long))
	r.caughtUp(0)
}

// full returns a group with something of everything, and moves.
func (r *deviceRig) full(ms ...sluice.Move) *sluice.Group {
	r.Helper()
	g := r.moves(ms...)
	g.Parts = []sluice.Part{part(door, by(10, sluice.Never), "m")}
	g.Dead = []sluice.DeadLetter{{Route: door, Topic: "t", Reason: "r"}}
	g.Drops = []sluice.Drop{{Route: door, Cause: sluice.DropOverlap, Count: 3}}
	g.Delivered = []sluice.Delivered{{PacketID: 1, Hash: 2}}
	g.CaughtUp = r.at(long)
	return g
}

// again returns a group with the number of the one that was refused.
func (r *deviceRig) again(ms ...sluice.Move) *sluice.Group {
	r.Helper()
	r.number--
	return r.moves(ms...)
}

// refused appends a group that must be refused, and of which nothing may remain.
func (r *deviceRig) refused(g *sluice.Group, check func(error)) {
	r.Helper()
	before := r.image()
	_, err := r.q.Append(r.ctx, g)
	check(err)
	same(r.rig, "store after a refused group", r.image(), before)
}

// limit checks an error of the device limit.
func (r *deviceRig) limit(moves ...int) func(error) {
	return func(err error) {
		r.Helper()
		var limit *sluice.DeviceLimitError
		if !errors.As(err, &limit) {
			r.Fatalf("got error %v, want that of the limit", err)
		}
		same(r.rig, "moves of devices that are too many", limit.Moves, moves)
	}
}

// image is everything in the store that a test can see and time does not change.
type image struct {
	Devices    []sluice.Device
	Counts     sluice.PresenceCounts
	Queues     []sluice.QueueStatus
	Attendance sluice.Attendance
}

func (r *deviceRig) image() (i image) {
	r.Helper()
	i.Attendance = r.attend()
	i.Devices = r.check()
	i.Counts = countStates(i.Devices)
	for _, queue := range []string{door, sluice.QueueDead, sluice.QueueEvents, sluice.QueueDevices, sluice.AccountPresence} {
		s := r.status(queue)
		s.OldestAge = 0
		i.Queues = append(i.Queues, s)
	}
	return i
}
