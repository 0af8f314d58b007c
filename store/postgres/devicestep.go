package postgres

import (
	"slices"
	"strings"

	"sluice/gen/sluicev1"
)

// step is what the events of a batch do to the tables by one set of statements.
// Its rows are in the order of the devices, so that all writers lock rows in one
// order.
//
// What a step does, and the steps of a batch one after the other, is what the
// events would do one at a time: where a queue is cut into batches makes no
// difference. (But for a report before its outage, which no queue has.)
type step struct {
	outages   []outage
	reports   []report
	forgotten []*sluicev1.PresenceEvent
	devices   []device
}

// outage is a row of data.outage as far as the batch tells it: up 0 when it
// does not tell the end, cause "" when it does not tell the beginning.
type outage struct {
	device          string
	down, up, lost  int64
	cause, recovery string
	muted           bool
	flap            string
}

// report is a report of an outage that a receiver has accepted.
type report struct {
	device string
	down   int64
	id     string
}

// device is a row of data.device. cause "" when the batch does not tell it.
type device struct {
	*sluicev1.PresenceEvent
	cause string
}

// lost is null for a device that is up, also where the event that tells of its
// recovery still says since when it was lost.
func (d *device) lost() int64 {
	if d.State == sluicev1.PresenceState_PRESENCE_STATE_UP {
		return 0
	}
	return d.LostAt
}

// fold sorts events by device, those of one device in the order of the queue,
// and folds them into steps. What follows the forgetting of a device goes into
// the next step: it is about another life of the device. So there is one step,
// or one more than the times that any one device was forgotten.
func fold(events []*sluicev1.PresenceEvent) (steps []*step, restarts []*sluicev1.PresenceEvent) {
	slices.SortStableFunc(events, byDevice)
	var name string
	var now int // step of the device
	for _, e := range events {
		if e.Kind == sluicev1.PresenceKind_PRESENCE_KIND_BROKER_RESTART {
			restarts = append(restarts, e)
			continue
		}
		if e.Device != name {
			name, now = e.Device, 0
		}
		if now == len(steps) {
			steps = append(steps, &step{})
		}
		steps[now].apply(e)
		if e.Kind == sluicev1.PresenceKind_PRESENCE_KIND_FORGOTTEN {
			now++
		}
	}
	return steps, restarts
}

func byDevice(a, b *sluicev1.PresenceEvent) int { return strings.Compare(a.Device, b.Device) }

func (s *step) apply(e *sluicev1.PresenceEvent) {
	switch e.Kind {
	case sluicev1.PresenceKind_PRESENCE_KIND_REPORTED:
		s.reported(e)
		return
	case sluicev1.PresenceKind_PRESENCE_KIND_FORGOTTEN:
		s.forget(e)
		return
	case sluicev1.PresenceKind_PRESENCE_KIND_OUTAGE:
		s.fell(e)
	case sluicev1.PresenceKind_PRESENCE_KIND_RECOVERY:
		s.cameBack(e)
	}
	s.renew(e)
}

// renew keeps the newest state of the device. The cause of its last outage stays
// until there is another: only the event that tells of an outage has it.
func (s *step) renew(e *sluicev1.PresenceEvent) {
	d := device{e, downWords[e.Cause]}
	last := s.lastDevice(e.Device)
	if last == nil {
		s.devices = append(s.devices, d)
		return
	}
	if e.Version < last.Version {
		return
	}
	if d.cause == "" && e.DownAt == last.DownAt {
		d.cause = last.cause
	}
	*last = d
}

// forget replaces the state of the device, unless that is newer.
func (s *step) forget(e *sluicev1.PresenceEvent) {
	if last := s.lastDevice(e.Device); last != nil {
		if e.Version < last.Version {
			return
		}
		s.devices = s.devices[:len(s.devices)-1]
	}
	s.forgotten = append(s.forgotten, e)
}

// lastDevice returns the row of the device, which is the last one if there is
// one: events come device by device.
func (s *step) lastDevice(name string) *device {
	if n := len(s.devices); n > 0 && s.devices[n-1].Device == name {
		return &s.devices[n-1]
	}
	return nil
}

// fell adds an outage, or its beginning to one of which only the end was told.
// insertOutages does the same to stored rows.
func (s *step) fell(e *sluicev1.PresenceEvent) {
	o := s.outage(e)
	if cause := downWords[e.Cause]; cause != "" && o.cause == "" {
		o.lost, o.cause, o.muted, o.flap = e.LostAt, cause, e.Muted, flapWords[e.Flap]
	}
}

// cameBack ends an outage unless it has ended.
func (s *step) cameBack(e *sluicev1.PresenceEvent) {
	o := s.outage(e)
	if o.up != 0 {
		return
	}
	o.up, o.recovery = e.At, upWords[e.Cause]
	if o.recovery == "" {
		o.recovery = "unknown"
	}
}

// outage returns the row for the outage of the event, a new one if need be.
func (s *step) outage(e *sluicev1.PresenceEvent) *outage {
	for i := len(s.outages) - 1; i >= 0 && s.outages[i].device == e.Device; i-- {
		if s.outages[i].down == e.DownAt {
			return &s.outages[i]
		}
	}
	s.outages = append(s.outages, outage{
		device: e.Device, down: e.DownAt, lost: e.LostAt, muted: e.Muted, flap: flapWords[e.Flap],
	})
	return &s.outages[len(s.outages)-1]
}

func (s *step) reported(e *sluicev1.PresenceEvent) {
	r := report{e.Device, e.DownAt, text(e.Receiver) + ":" + text(e.Report)}
	for i := len(s.reports) - 1; i >= 0 && s.reports[i].device == r.device; i-- {
		if s.reports[i] == r {
			return
		}
	}
	s.reports = append(s.reports, r)
}
