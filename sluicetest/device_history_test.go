package sluicetest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"sluice"
	"sluice/gen/sluicev1"
)

// histories is how many random histories of devices the property test plays.
func histories() int {
	if testing.Short() {
		return 200
	}
	return 600
}

// TestDevices_RandomHistories plays random histories to a Queue and to a model of
// what a store does around the state machine.
func TestDevices_RandomHistories(t *testing.T) {
	t.Parallel()
	kinds := map[string]int{}
	for seed := range histories() {
		now := time.Unix(1_700_000_000, 0)
		q := NewQueue(WithClock(func() time.Time { // no batch is too young to be sealed
			now = now.Add(time.Millisecond)
			return now
		}))
		m := newFleetModel()
		playBoth(t, uint64(seed), m, newStage(&rig{T: t, ctx: t.Context()}, q))
		maps.Copy(kinds, m.kinds)
	}
	for _, kind := range []string{"OUTAGE", "RECOVERY", "STEADY", "BROKER_RESTART", "flap 1", "flap 2", "muted", "storm", "fenced", "limit", "gap", "repeat"} {
		if kinds[kind] == 0 {
			t.Errorf("no history had %q: the acts are not what they should be", kind)
		}
	}
}

// CompareDevices finds what differs.
func TestCompareDevices_OfEqualStores(t *testing.T) {
	t.Parallel()
	for seed := range 20 {
		CompareDevices(t, NewQueue(), Faulty(NewQueue(), nil), uint64(seed))
	}
}

// fleetModel is a store of devices in the plainest words. It shares the state
// machine of package sluice with Queue, and nothing else.
type fleetModel struct {
	devices    map[string]sluice.Device
	sessions   map[string]*modelSession
	scene      sluice.Scene
	brokerSeen int64
	stormOver  int64
	moves      int64 // counted
	ending     ending
	kinds      map[string]int // what happened, for the test of the test
}

type modelSession struct {
	token, before int // of leases; 0: none
	held, feeds   bool
	caughtUp      int64
	number        int
	receipt       sluice.PresenceReceipt
}

func newFleetModel() *fleetModel {
	return &fleetModel{devices: map[string]sluice.Device{}, sessions: map[string]*modelSession{}, kinds: map[string]int{}}
}

func (m *fleetModel) session(name string) *modelSession {
	if m.sessions[name] == nil {
		m.sessions[name] = &modelSession{}
	}
	return m.sessions[name]
}

func (m *fleetModel) play(a act) (e effect) {
	s := m.session(a.session)
	fenced := !s.held || a.stale
	switch a.name {
	case "lease":
		*s = modelSession{token: s.token + 1, before: s.token, held: true, feeds: a.session != "idle", caughtUp: s.caughtUp}
	case "unlease":
		s.held = false
	case "mute":
		e.OK = m.mute(a)
	case "forget":
		e.OK = m.forget(a.device)
	case "offset":
		m.scene.Offset = a.offset
	case "append":
		m.append(a, s, fenced, &e)
	default:
		if e.Err = "fenced"; !fenced {
			e.Err = ""
			m.leased(a, s, &e)
		}
	}
	m.kinds[firstWord(e.Err)]++
	e.Devices, e.Counts = m.list()
	return e
}

func firstWord(s string) string {
	for i, c := range s {
		if c == '[' {
			return s[:i]
		}
	}
	return s
}

func (m *fleetModel) leased(a act, s *modelSession, e *effect) {
	switch a.name {
	case "attend":
		s.feeds = true
		m.brokerSeen = max(m.brokerSeen, a.seen)
		e.Attendance = sluice.Attendance{CaughtUp: s.caughtUp, BrokerSeen: m.brokerSeen}
	case "due":
		m.due(a.due, e)
	case "grace":
		m.grace(a.grace, e)
	}
}

func (m *fleetModel) list() (devices []sluice.Device, c sluice.PresenceCounts) {
	for _, name := range slices.Sorted(maps.Keys(m.devices)) {
		d := m.devices[name]
		d.Muted = mutedClass(d.Muted)
		devices = append(devices, d)
		switch d.State.String() {
		case "up":
			c.Up++
		case "suspect":
			c.Suspect++
		case "down":
			c.Down++
		}
	}
	return devices, c
}

// tell pushes an event, and to the queue of events if it is worth it.
func (m *fleetModel) tell(ev *sluicev1.PresenceEvent, r *sluice.PresenceReceipt, report bool) {
	m.kinds[ev.Kind.String()[len("PRESENCE_KIND_"):]]++
	m.kinds[fmt.Sprint("flap ", int(ev.Flap))]++
	if ev.Muted {
		m.kinds["muted"]++
	}
	plain(ev)
	m.ending.Changes = append(m.ending.Changes, ev)
	r.Devices.Open = len(m.ending.Changes)
	if report {
		m.ending.Events = append(m.ending.Events, ev)
		r.Events.Open = len(m.ending.Events)
	}
}

func (m *fleetModel) next() int64 {
	devices, _ := m.list()
	return earliest(devices)
}

func (m *fleetModel) append(a act, s *modelSession, fenced bool, e *effect) {
	if a.repeat && s.number > 0 { // the last group itself, under its own lease
		if e.Err = "fenced"; s.held {
			e.Err, e.Repeated, e.Receipt = "", true, s.receipt
			m.kinds["repeat"]++
		}
		return
	}
	switch over := m.tooMany(a); {
	case fenced:
		e.Err = "fenced"
		return
	case a.gap:
		e.Err = "gap"
		return
	case len(over) > 0:
		e.Err = fmt.Sprint("limit", over)
		return
	}
	if len(a.moves) > 0 {
		m.move(a.moves, a.settings.Events, &e.Receipt)
	}
	s.caughtUp = max(s.caughtUp, a.caughtUp)
	s.number++
	s.receipt = e.Receipt
}

// tooMany returns the moves that find no room.
func (m *fleetModel) tooMany(a act) (over []int) {
	known := maps.Clone(m.devices)
	for i, move := range a.moves {
		if _, ok := known[move.Device]; !ok && a.settings.MaxDevices > 0 && len(known) >= a.settings.MaxDevices {
			over = append(over, i)
			continue
		}
		known[move.Device] = sluice.Device{}
	}
	return over
}

func (m *fleetModel) move(moves []sluice.Move, events bool, r *sluice.PresenceReceipt) {
	last := map[string]*sluicev1.PresenceEvent{} // a change of the group that is not told
	for _, move := range moves {
		if move.Kind == sluice.MoveConnect || move.Kind == sluice.MoveWill {
			m.moves++
		}
		d := m.devices[move.Device]
		d.Name, d.Outages = move.Device, slices.Clone(d.Outages)
		switch d.Apply(move, m.scene) {
		case sluice.CameBack:
			last[d.Name] = nil
			m.tell(recoveryEvent(d, move, m.scene.Offset), r, events)
		case sluice.Changed:
			last[d.Name] = changedEvent(d, move.At+m.scene.Offset)
		}
		m.devices[d.Name] = d
	}
	for _, ev := range last {
		if ev != nil {
			m.tell(ev, r, false)
		}
	}
	r.Next = m.next()
}

func (m *fleetModel) mute(a act) bool {
	d, ok := m.devices[a.device]
	if !ok {
		return false
	}
	d.Muted, d.Version = 0, d.Version+1
	if a.mute > 0 {
		d.Muted = time.Unix(1_700_000_000, 0).Add(a.mute).UnixMicro()
	}
	m.devices[a.device] = d
	m.tell(changedEvent(d, 0), &sluice.PresenceReceipt{}, false)
	return true
}

func (m *fleetModel) forget(name string) bool {
	d, ok := m.devices[name]
	if ok {
		delete(m.devices, name)
		m.tell(event("FORGOTTEN", sluice.Device{Name: name, Version: d.Version + 1}, 0), &sluice.PresenceReceipt{}, false)
	}
	return ok
}

func (m *fleetModel) grace(r sluice.GraceRequest, e *effect) {
	give := func(d *sluice.Device) sluice.Change { return d.Pardon(r.Now, r.Until, r.Since+m.scene.Offset) }
	if !r.Lost {
		m.scene.GraceUntil = max(m.scene.GraceUntil, r.Until)
		restart := &sluicev1.PresenceEvent{Kind: sluicev1.PresenceKind_PRESENCE_KIND_BROKER_RESTART, At: r.Now + m.scene.Offset, DownAt: r.Started + m.scene.Offset}
		m.tell(restart, &e.Receipt, r.Events)
		give = func(d *sluice.Device) sluice.Change {
			return d.Grace(r.Now, r.Until, r.Since+m.scene.Offset, m.scene)
		}
	}
	for name, d := range m.devices {
		if give(&d) != sluice.NoChange {
			m.tell(changedEvent(d, r.Now+m.scene.Offset), &e.Receipt, false)
		}
		m.devices[name] = d
	}
	e.Receipt.Next = m.next()
}

// judged is the time up to which deadlines may be judged.
func (m *fleetModel) judged() int64 {
	var all []int64
	for _, s := range m.sessions {
		if s.held && s.feeds {
			all = append(all, s.caughtUp)
		}
	}
	if len(all) == 0 {
		return 0
	}
	return slices.Min(all)
}

// moment is something that is due of a device.
type moment struct {
	at     int64
	device string
}

// moments lists what is due by a time, the first first.
func (m *fleetModel) moments(of func(sluice.Device) int64, by int64) (out []moment) {
	for _, d := range m.devices {
		if at := of(d); at != 0 && at <= by {
			out = append(out, moment{at, d.Name})
		}
	}
	slices.SortFunc(out, func(a, b moment) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.device, b.device))
	})
	return out
}

func deadlineOf(d sluice.Device) int64 { return d.Deadline }
func steadyOf(d sluice.Device) int64   { return d.Steady }

// stormy returns until when a storm gathers.
func (m *fleetModel) stormy(first, judged int64) int64 {
	_, c := m.list()
	together := m.moments(deadlineOf, first+sluice.StormWindow.Microseconds())
	if n := len(together); n < 10 || 2*n <= int(c.Up+c.Suspect) || first <= m.stormOver {
		return 0
	}
	m.kinds["storm"]++
	last := together[len(together)-1].at
	if last > judged {
		return last
	}
	m.stormOver = last
	return 0
}

func (m *fleetModel) due(r sluice.DueRequest, e *effect) {
	e.Due.CaughtUp = m.judged()
	judged := min(e.Due.CaughtUp, r.Now)
	fall, steady := m.moments(deadlineOf, judged), m.moments(steadyOf, judged)
	if len(fall) > 0 {
		e.Due.Wait = m.stormy(fall[0].at, judged)
	}
	for i := 0; e.Due.Wait == 0 && i < len(fall) && i < r.Limit; i++ {
		if d := m.devices[fall[i].device]; d.Steady != 0 && d.Steady <= d.Deadline {
			m.steady(d, r.Events, e)
		}
		m.fall(m.devices[fall[i].device], r.Events, e)
	}
	for i := 0; i < len(steady) && i < r.Limit; i++ {
		if d := m.devices[steady[i].device]; d.Steady != 0 && d.Steady <= judged { // if it fell: steady since
			m.steady(d, r.Events, e)
		}
	}
	e.Due.Receipt.Next = m.next()
}

func (m *fleetModel) fall(d sluice.Device, events bool, e *effect) {
	_, c := m.list()
	before := d.Flapping
	d.Outages = slices.Clone(d.Outages)
	d.Fall(m.scene)
	ev := outageEvent(d, int(c.Up+c.Suspect))
	if d.Flapping {
		ev.Flap = map[bool]sluicev1.PresenceFlap{true: sluicev1.PresenceFlap_PRESENCE_FLAP_GOES_ON, false: sluicev1.PresenceFlap_PRESENCE_FLAP_BEGAN}[before]
	}
	m.devices[d.Name] = d
	m.tell(ev, &e.Due.Receipt, events)
	e.Due.Fell++
}

func (m *fleetModel) steady(d sluice.Device, events bool, e *effect) {
	at := d.Steady + m.scene.Offset
	d.BeSteady()
	ev := event("STEADY", d, at)
	ev.Muted = d.Muted > at
	m.devices[d.Name] = d
	m.tell(ev, &e.Due.Receipt, events)
	e.Due.Steadied++
}

func (m *fleetModel) end() ending {
	count := func(events []*sluicev1.PresenceEvent) sluice.Account {
		return sluice.Account{Received: int64(len(events))}
	}
	m.ending.Accounts = []sluice.Account{count(m.ending.Events), count(m.ending.Changes), {Received: m.moves, Stored: m.moves}}
	m.ending.Events, m.ending.Changes = byDevice(m.ending.Events), byDevice(m.ending.Changes)
	return m.ending
}
