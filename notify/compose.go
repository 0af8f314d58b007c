package notify

import (
	"slices"
	"time"

	"sluice"
	"sluice/gen/sluicev1"
)

// Compose makes the report of a batch of events in order; nil when there is
// nothing to say: every event is muted, or of a device that flaps on, or of
// another kind. It is pure: the same arguments give the same report.
func Compose(c Config, id string, events []*sluicev1.PresenceEvent) *Report {
	m := composer{
		report: &Report{ID: id, Facility: escape(c.Facility)},
		grace:  c.Grace,
		fallen: map[outageKey]int{},
	}
	for _, e := range events {
		m.add(e)
	}
	if m.report.empty() {
		return nil
	}
	return m.finish()
}

// outageKey names an outage.
type outageKey struct {
	device string
	down   int64
}

func keyOf(e *sluicev1.PresenceEvent) outageKey { return outageKey{e.Device, e.DownAt} }

// flaps is the place in composer.fallen of an outage that is listed as flapping.
const flaps = -1

// composer is the state of one Compose.
type composer struct {
	report *Report
	grace  time.Duration
	// fallen has the outages that are in the report, by their place in
	// report.Outages.
	fallen map[outageKey]int
	// alive is that of the first outage, whether it is in the report or not.
	alive   int
	outages bool // there was one
}

func (m *composer) add(e *sluicev1.PresenceEvent) {
	r := m.report
	r.At = later(r.At, moment(e.At))
	switch e.Kind {
	case sluicev1.PresenceKind_PRESENCE_KIND_OUTAGE:
		m.outage(e)
	case sluicev1.PresenceKind_PRESENCE_KIND_RECOVERY:
		m.recovery(e)
	case sluicev1.PresenceKind_PRESENCE_KIND_STEADY:
		if !e.Muted {
			r.Steady = append(r.Steady, steady(e))
		}
	case sluicev1.PresenceKind_PRESENCE_KIND_BROKER_RESTART:
		if !e.Muted {
			r.Restarts = append(r.Restarts, m.restart(e))
		}
	}
}

// wanted tells whether a report is wanted of an outage or a recovery.
func wanted(e *sluicev1.PresenceEvent) bool {
	return !e.Muted && e.Flap != sluicev1.PresenceFlap_PRESENCE_FLAP_GOES_ON
}

func (m *composer) outage(e *sluicev1.PresenceEvent) {
	if !m.outages {
		m.outages, m.alive = true, int(e.Alive)
	}
	r, key := m.report, keyOf(e)
	if _, again := m.fallen[key]; again || !wanted(e) {
		return
	}
	name, cause, down := escapeName(e.Device), causeWord(e.Cause), moment(e.DownAt)
	if e.Flap == sluicev1.PresenceFlap_PRESENCE_FLAP_BEGAN {
		m.fallen[key] = flaps
		r.Flapping = append(r.Flapping, Flap{Device: name, Cause: cause, Down: down, Outages: int(e.Outages)})
		return
	}
	m.fallen[key] = len(r.Outages)
	r.Outages = append(r.Outages, Outage{Device: name, Cause: cause, Down: down, Lost: moment(e.LostAt)})
}

// recovery belongs to an outage of this report or to one of an earlier report.
// The first is looked for before anything else: what the report calls down must
// be down.
func (m *composer) recovery(e *sluicev1.PresenceEvent) {
	r := m.report
	i, here := m.fallen[keyOf(e)]
	switch {
	case here && i == flaps: // it flaps: whether it is up just now is not said
	case here:
		r.Outages[i].Back = later(moment(e.At), r.Outages[i].Down)
	case wanted(e):
		r.Recoveries = append(r.Recoveries, Recovery{
			Device: escapeName(e.Device), Cause: causeWord(e.Cause), Down: moment(e.DownAt), Back: moment(e.At),
		})
	}
}

func steady(e *sluicev1.PresenceEvent) Steady {
	s := Steady{Device: escapeName(e.Device), State: stateWord(e.State)}
	if e.State == sluicev1.PresenceState_PRESENCE_STATE_DOWN {
		s.Down = moment(e.DownAt)
	}
	return s
}

func (m *composer) restart(e *sluicev1.PresenceEvent) Restart {
	r := Restart{Noticed: moment(e.At), Started: moment(e.DownAt)}
	if m.grace > 0 && !r.Noticed.IsZero() {
		r.Until = r.Noticed.Add(m.grace)
	}
	return r
}

func (m *composer) finish() *Report {
	r := m.report
	slices.SortStableFunc(r.Outages, func(a, b Outage) int { return order(a) - order(b) })
	r.Storm = r.storm(m.alive)
	r.Summary = r.summary()
	return r
}

// order puts what is still down first.
func order(o Outage) int {
	if o.Back.IsZero() {
		return 0
	}
	return 1
}

// storm is nil when it is none. Devices are counted, not outages: one that falls
// ten times is no storm. One that begins to flap counts, because a site whose
// uplink flaps goes down as a whole, for the fourth time too.
func (r *Report) storm(alive int) *Storm {
	names := map[string]bool{}
	s := Storm{Alive: alive}
	for _, o := range r.Outages {
		names[o.Device] = true
		s.span(o.Down)
	}
	for _, f := range r.Flapping {
		names[f.Device] = true
		s.span(f.Down)
	}
	s.Devices = len(names)
	if !sluice.Storm(s.Devices, alive) {
		return nil
	}
	return &s
}

// span makes First and Last include t.
func (s *Storm) span(t time.Time) {
	if s.First.IsZero() || t.Before(s.First) {
		s.First = t
	}
	if t.After(s.Last) {
		s.Last = t
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// maxMoment is the end of the year 9998: encoders of time know none after 9999,
// and a restart's Until is later than its event.
const maxMoment = 253370764799 * int64(time.Second/time.Microsecond)

// moment turns microseconds of an event into a time, zero for none.
func moment(us int64) time.Time {
	if us <= 0 || us > maxMoment {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
