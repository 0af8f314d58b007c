package storetest

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"sluice"
	pb "sluice/gen/sluicev1"
	"sluice/store"
)

// A queue of events, some of them lost or told again, leaves the same Tables
// however it is cut into batches and however often each batch comes.
func devicesModel(t *testing.T, s Store) {
	var facility atomic.Int32
	rapid.Check(t, func(rt *rapid.T) {
		id := facility.Add(1)
		d := s.NewDevices(id)
		events := drawEvents(rt)
		var m deviceModel
		for _, e := range events {
			m.apply(e)
		}
		var applied []*sluice.Batch
		for len(events) > 0 {
			n := rapid.IntRange(1, len(events)).Draw(rt, "batch")
			b := PresenceBatch(events[:n]...)
			events = events[n:]
			WantOutcome(t, d.Handle(t.Context(), b), 0)
			applied = append(applied, b)
			if rapid.Bool().Draw(rt, "twice") {
				again := rapid.SampledFrom(applied).Draw(rt, "again")
				WantOutcome(t, d.Handle(t.Context(), again), 0)
			}
		}
		got, err := s.Tables(t.Context(), id)
		must(t, err)
		if diff := gocmp.Diff(m.tables(), got, cmpopts.EquateEmpty()); diff != "" {
			rt.Fatalf("tables (-want +got):\n%s", diff)
		}
	})
}

// site makes the events of a facility by the state machine of sluice.
type site struct {
	now     int64 // presence and store time
	devices map[string]*sluice.Device
	told    []*pb.PresenceEvent
}

// drawEvents returns the queue of a site at which anything happens.
func drawEvents(rt *rapid.T) []*pb.PresenceEvent {
	s := &site{now: Micros(0), devices: map[string]*sluice.Device{}}
	for range rapid.IntRange(1, 60).Draw(rt, "moves") {
		s.now += rapid.Int64Range(1, 5_000_000).Draw(rt, "time")
		name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "device")
		switch rapid.IntRange(0, 9).Draw(rt, "what") {
		case 0:
			s.forget(name)
		case 1:
			s.tell(&pb.PresenceEvent{Kind: Restarted, At: s.now, DownAt: s.now - 5})
		case 2:
			s.report(rt)
		case 3:
			if len(s.told) > 0 { // what was told is told again
				s.tell(rapid.SampledFrom(s.told).Draw(rt, "told"))
			}
		default:
			s.move(rt, name)
		}
	}
	return s.told
}

func (s *site) tell(e *pb.PresenceEvent) { s.told = append(s.told, e) }

// move lets the device do something, and tells it nine times of ten.
func (s *site) move(rt *rapid.T, name string) {
	d := s.devices[name]
	if d == nil {
		d = &sluice.Device{Name: name}
		s.devices[name] = d
	}
	var change sluice.Change
	if d.Deadline > 0 && rapid.Bool().Draw(rt, "fall") {
		s.now = max(s.now, d.Deadline)
		change = d.Fall(sluice.Scene{})
	} else {
		kind := rapid.SampledFrom([]sluice.MoveKind{sluice.MoveConnect, sluice.MoveWill, sluice.MoveSeen}).Draw(rt, "kind")
		change = d.Apply(sluice.Move{Kind: kind, Device: name, At: s.now, Delay: 1_000_000, Silent: 2_000_000}, sluice.Scene{})
	}
	if change == sluice.NoChange {
		return
	}
	e := eventOf(d, change)
	e.At = s.now
	if rapid.IntRange(0, 9).Draw(rt, "lost") > 0 {
		s.tell(e)
	}
}

func (s *site) forget(name string) {
	if d := s.devices[name]; d != nil {
		s.tell(&pb.PresenceEvent{Kind: Forgotten, Device: name, Version: d.Version + 1, At: s.now})
		delete(s.devices, name)
	}
}

// report tells that an outage was reported: one that was told of, as the queue
// has it, or one that never is.
func (s *site) report(rt *rapid.T) {
	of := &pb.PresenceEvent{Device: "a", DownAt: Micros(-1)}
	if len(s.told) > 0 {
		if e := rapid.SampledFrom(s.told).Draw(rt, "of"); e.Device != "" && e.DownAt != 0 {
			of = e
		}
	}
	s.tell(&pb.PresenceEvent{
		Kind: Reported, Device: of.Device, DownAt: of.DownAt,
		Receiver: rapid.SampledFrom([]string{"chat", "hook"}).Draw(rt, "receiver"),
		Report:   rapid.SampledFrom([]string{"1", "2"}).Draw(rt, "report"),
	})
}

// eventOf is what a store tells of a device after a change.
func eventOf(d *sluice.Device, change sluice.Change) *pb.PresenceEvent {
	e := &pb.PresenceEvent{
		Kind: Changed, Device: d.Name, Version: d.Version, Generation: d.Generation,
		ConnectedAt: d.Connected, SeenAt: d.Seen, LostAt: d.Lost, DownAt: d.Down, MutedUntil: d.Muted,
	}
	switch d.State {
	case sluice.DeviceUp:
		e.State = pb.PresenceState_PRESENCE_STATE_UP
	case sluice.DeviceSuspect:
		e.State = pb.PresenceState_PRESENCE_STATE_SUSPECT
	case sluice.DeviceDown:
		e.State = pb.PresenceState_PRESENCE_STATE_DOWN
	}
	if d.Flapping {
		e.Flap = pb.PresenceFlap_PRESENCE_FLAP_GOES_ON
	}
	switch change {
	case sluice.WentDown:
		e.Kind, e.Cause = Fell, pb.PresenceCause_PRESENCE_CAUSE_LWT
		if d.DownCause == sluice.CauseSilent {
			e.Cause = pb.PresenceCause_PRESENCE_CAUSE_SILENT
		}
	case sluice.CameBack:
		e.Kind, e.Cause = CameBack, pb.PresenceCause_PRESENCE_CAUSE_DATA
	}
	return e
}

// deviceModel is what the tables are to be: one event at a time.
type deviceModel struct {
	devices  []DeviceRow
	outages  []OutageRow
	restarts []RestartRow
}

func (m *deviceModel) tables() Tables {
	slices.SortFunc(m.devices, func(a, b DeviceRow) int { return strings.Compare(a.Device, b.Device) })
	slices.SortFunc(m.outages, func(a, b OutageRow) int {
		return cmp.Or(strings.Compare(a.Device, b.Device), cmp.Compare(a.Down, b.Down))
	})
	slices.SortFunc(m.restarts, func(a, b RestartRow) int { return cmp.Compare(a.At, b.At) })
	return Tables{m.devices, m.outages, slices.Compact(m.restarts)}
}

func (m *deviceModel) apply(e *pb.PresenceEvent) {
	switch e.Kind {
	case Restarted:
		m.restarts = append(m.restarts, RestartRow{e.At, e.DownAt})
		return
	case Reported:
		id := e.Receiver + ":" + e.Report
		if o := m.outage(e); o != nil && !slices.Contains(o.Reports, id) {
			o.Reports = append(o.Reports, id)
		}
		return
	case Forgotten:
		m.forget(e)
		return
	case Fell, CameBack:
		m.history(e)
	}
	m.state(e)
}

func (m *deviceModel) device(name string) int {
	return slices.IndexFunc(m.devices, func(d DeviceRow) bool { return d.Device == name })
}

func (m *deviceModel) outage(e *pb.PresenceEvent) *OutageRow {
	for i := range m.outages {
		if m.outages[i].Device == e.Device && m.outages[i].Down == e.DownAt {
			return &m.outages[i]
		}
	}
	return nil
}

func (m *deviceModel) state(e *pb.PresenceEvent) {
	row := DeviceRow{
		Device: e.Device, State: store.StateWords[e.State], Generation: e.Generation, Connected: e.ConnectedAt, Seen: e.SeenAt,
		Lost: e.LostAt, Down: e.DownAt, Flapping: e.Flap != 0, Muted: e.MutedUntil, Version: e.Version,
	}
	if e.Kind == Fell {
		row.Cause = store.DownWords[e.Cause]
	}
	i := m.device(e.Device)
	if i < 0 {
		m.devices = append(m.devices, row)
		return
	}
	if old := m.devices[i]; e.Version >= old.Version {
		if row.Cause == "" && row.Down == old.Down {
			row.Cause = old.Cause
		}
		m.devices[i] = row
	}
}

func (m *deviceModel) history(e *pb.PresenceEvent) {
	o := m.outage(e)
	if o == nil {
		m.outages = append(m.outages, OutageRow{Device: e.Device, Down: e.DownAt, Lost: e.LostAt, Flap: store.FlapWords[e.Flap]})
		o = &m.outages[len(m.outages)-1]
	}
	switch {
	case e.Kind == Fell && o.Cause == "":
		o.Cause, o.Lost, o.Flap = store.DownWords[e.Cause], e.LostAt, store.FlapWords[e.Flap]
	case e.Kind == CameBack && (o.Up == 0 || o.Recovery == "lost"):
		o.Up, o.Recovery = e.At, store.UpWords[e.Cause]
	}
	m.loseOpen(e.Device)
}

// loseOpen ends what lasts of a device beside a later outage.
func (m *deviceModel) loseOpen(name string) {
	for i := range m.outages {
		o := &m.outages[i]
		if o.Device != name || o.Up != 0 {
			continue
		}
		for _, later := range m.outages {
			if later.Device == name && later.Down > o.Down && (o.Up == 0 || later.Down < o.Up) {
				o.Up, o.Recovery = later.Down, "lost"
			}
		}
	}
}

func (m *deviceModel) forget(e *pb.PresenceEvent) {
	if i := m.device(e.Device); i >= 0 {
		if m.devices[i].Version > e.Version {
			return
		}
		m.devices = slices.Delete(m.devices, i, i+1)
	}
	for i := range m.outages {
		if o := &m.outages[i]; o.Device == e.Device && o.Up == 0 {
			o.Up, o.Recovery = e.At, "forgotten"
		}
	}
}
