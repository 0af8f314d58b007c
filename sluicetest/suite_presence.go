package sluicetest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice"
)

// TestDevices is the conformance suite of sluice.DeviceStore and of the moves in
// sluice.Queue's Append: a subtest per promise of their comments. open is as for
// TestQueue, which tests the rest of the store.
//
// The suite gives presence times itself, counted from what the store's clock
// shows when a test begins, so the store's clock need not be set.
func TestDevices(t *testing.T, open func(t *testing.T, o QueueOptions) Store) {
	for _, group := range [][]deviceTest{
		moveTests, moveEventTests, refusalTests, dueTests, livenessTests, stormTests, flapTests, graceTests, deviceListTests, clockTests,
	} {
		for _, test := range group {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				s := open(t, QueueOptions{})
				r := &deviceRig{rig: &rig{T: t, ctx: ctx, q: s}, s: s, settings: sluice.PresenceSettings{Events: true}}
				r.begin()
				test.run(r)
			})
		}
	}
}

type deviceTest struct {
	name string
	run  func(r *deviceRig)
}

// deviceRig is a rig with a store that keeps devices. Times of its methods count
// from the moment at which the test began.
type deviceRig struct {
	*rig
	s         Store
	base      int64 // presence time of that moment
	offset    int64
	settings  sluice.PresenceSettings
	attending bool
}

// begin lets the store's clock jump, so that nothing passes that takes a store
// time for a presence time.
func (r *deviceRig) begin() {
	r.Helper()
	c := r.clock()
	r.ok(r.s.SetOffset(r.ctx, c.Offset, c.Offset+(7*time.Hour).Microseconds()+1))
	c = r.clock()
	r.base, r.offset = c.Now, c.Offset
}

func (r *deviceRig) clock() sluice.StoreClock {
	r.Helper()
	c, err := r.s.Clock(r.ctx)
	r.ok(err)
	return c
}

// at is a presence time, on a store time.
func (r *deviceRig) at(d time.Duration) int64 { return r.base + d.Microseconds() }
func (r *deviceRig) on(d time.Duration) int64 { return r.at(d) + r.offset }

func (r *deviceRig) connect(device string, d time.Duration) sluice.Move {
	return sluice.Move{Kind: sluice.MoveConnect, Device: device, At: r.at(d), Silent: -1}
}

func (r *deviceRig) seen(device string, d, silent time.Duration) sluice.Move {
	return sluice.Move{Kind: sluice.MoveSeen, Device: device, At: r.at(d), Silent: silent.Microseconds()}
}

func (r *deviceRig) will(device string, d, delay time.Duration) sluice.Move {
	return sluice.Move{Kind: sluice.MoveWill, Device: device, At: r.at(d), Delay: delay.Microseconds()}
}

// attend makes the rig's session feed presence.
func (r *deviceRig) attend() sluice.Attendance {
	r.Helper()
	r.hold()
	a, err := r.s.Attend(r.ctx, r.lease, 0)
	r.ok(err)
	r.attending = true
	return a
}

// join returns a rig of another session that feeds presence.
func (r *deviceRig) join(session string, ttl time.Duration) *deviceRig {
	r.Helper()
	l, err := r.q.Lease(r.ctx, session, "a", ttl)
	r.ok(err)
	other := *r
	other.rig = &rig{T: r.T, ctx: r.ctx, q: r.q, lease: l}
	other.attend()
	return &other
}

// moves returns the next group, with moves.
func (r *deviceRig) moves(ms ...sluice.Move) *sluice.Group {
	r.Helper()
	g := r.group()
	g.Moves, g.Presence = ms, r.settings
	return g
}

// tell appends moves as one group.
func (r *deviceRig) tell(ms ...sluice.Move) sluice.PresenceReceipt {
	r.Helper()
	return r.tellGroup(r.moves(ms...))
}

func (r *deviceRig) tellGroup(g *sluice.Group) sluice.PresenceReceipt {
	r.Helper()
	got := r.appendGroup(g).Presence
	if devices := r.check(); len(g.Moves) > 0 {
		same(r.rig, "Next", got.Next, earliest(devices))
	}
	return got
}

// caughtUp says that everything sent before a time has been applied.
func (r *deviceRig) caughtUp(d time.Duration) {
	r.Helper()
	if !r.attending {
		r.attend()
	}
	g := r.moves()
	g.CaughtUp = r.at(d)
	r.appendGroup(g)
}

// due takes what is due now, which is a time.
func (r *deviceRig) due(now time.Duration) sluice.DueResult {
	r.Helper()
	return r.dueOf(sluice.DueRequest{Now: r.at(now), Limit: 1000, Events: r.settings.Events})
}

func (r *deviceRig) dueOf(req sluice.DueRequest) sluice.DueResult {
	r.Helper()
	got, err := r.s.Due(r.ctx, r.lease, req)
	r.ok(err)
	same(r.rig, "Next", got.Receipt.Next, earliest(r.check()))
	return got
}

// judge takes what is due when everything sent before a time has been applied.
func (r *deviceRig) judge(d time.Duration) sluice.DueResult {
	r.Helper()
	r.caughtUp(d)
	return r.due(d)
}

// falls checks that so many devices are due at a time.
func (r *deviceRig) falls(d time.Duration, n int) {
	r.Helper()
	if got := r.judge(d); got.Fell != n {
		r.Fatalf("%d devices went down by %v, want %d", got.Fell, d, n)
	}
}

// knock takes devices down: they connect at a time, and their wills come a
// second later with a delay of one second.
func (r *deviceRig) knock(d time.Duration, devices ...string) {
	r.Helper()
	for _, name := range devices {
		r.tell(r.connect(name, d), r.will(name, d+time.Second, time.Second))
	}
	r.falls(d+2*time.Second, len(devices))
}

// device returns a device that must be known.
func (r *deviceRig) device(name string) sluice.Device {
	r.Helper()
	d, err := r.s.Device(r.ctx, name)
	r.ok(err)
	if d == nil {
		r.Fatalf("device %s is not known", name)
	}
	return *d
}

// inState checks the state of a device, and its deadline as a time; 0 for none.
func (r *deviceRig) inState(name string, s sluice.DeviceState, deadline time.Duration) {
	r.Helper()
	d, want := r.device(name), int64(0)
	if deadline != 0 {
		want = r.at(deadline)
	}
	if d.State != s || d.Deadline != want {
		r.Fatalf("%s is %v with the deadline %d, want %v with %d: %+v", name, d.State, d.Deadline, s, want, d)
	}
}

// check holds what must be true at any time: accounts balance, and the devices
// are counted by their states. It returns the devices.
func (r *deviceRig) check() []sluice.Device {
	r.Helper()
	for _, queue := range []string{sluice.QueueEvents, sluice.QueueDevices, sluice.AccountPresence} {
		r.balanced(queue)
	}
	devices := r.devices()
	got, err := r.s.CountDevices(r.ctx)
	r.ok(err)
	same(r.rig, "counts", got, countStates(devices))
	return devices
}

// devices lists the devices, sorted by name.
func (r *deviceRig) devices() []sluice.Device {
	r.Helper()
	out, err := listDevices(r.ctx, r.s)
	r.ok(err)
	return out
}

// listDevices reads all pages. A device may be in more than one.
func listDevices(ctx context.Context, s sluice.DeviceStore) (out []sluice.Device, err error) {
	for cursor := ""; ; {
		page, next, err := s.Devices(ctx, cursor)
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
		if next == "" {
			break
		}
		cursor = next
	}
	slices.SortStableFunc(out, func(a, b sluice.Device) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(out, func(a, b sluice.Device) bool { return a.Name == b.Name }), nil
}

func countStates(devices []sluice.Device) (c sluice.PresenceCounts) {
	of := map[sluice.DeviceState]*int64{sluice.DeviceUp: &c.Up, sluice.DeviceSuspect: &c.Suspect, sluice.DeviceDown: &c.Down}
	for _, d := range devices {
		if n := of[d.State]; n != nil {
			*n++
		}
	}
	return c
}

// earliest is the first of all deadlines and steady times, 0 for none.
func earliest(devices []sluice.Device) int64 {
	var all []int64
	for _, d := range devices {
		all = append(all, d.Deadline, d.Steady)
	}
	all = slices.DeleteFunc(all, func(at int64) bool { return at == 0 })
	if len(all) == 0 {
		return 0
	}
	return slices.Min(all)
}
