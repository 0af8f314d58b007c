package store

import (
	"slices"
	"strings"

	"sluice/gen/sluicev1"
)

// Step is what the events of a batch do to the tables by one set of statements.
// Its rows are in the order of the devices, so that all writers lock rows in one
// order.
//
// What a step does, and the steps of a batch one after the other, is what the
// events would do one at a time: where a queue is cut into batches makes no
// difference. (But for a report before its outage, which no queue has.)
type Step struct {
	Outages   []Outage
	Reports   []Report
	Forgotten []*sluicev1.PresenceEvent
	Devices   []Device
}

// Outage is a row of outages as far as the batch tells it: Up 0 when it does not tell
// the end, Cause "" when it does not tell the beginning. Times are Unix microseconds, 0
// for none.
type Outage struct {
	Device          string
	Down, Up, Lost  int64
	Cause, Recovery string
	Muted           bool
	Flap            string
}

// Report is a report of an outage that a receiver has accepted.
type Report struct {
	Device string
	Down   int64
	ID     string
}

// Device is a row of devices. DownCause "" when the batch does not tell it.
type Device struct {
	*sluicev1.PresenceEvent

	DownCause string
}

// Lost is null for a device that is up, also where the event that tells of its
// recovery still says since when it was lost.
func (d *Device) Lost() int64 {
	if d.State == sluicev1.PresenceState_PRESENCE_STATE_UP {
		return 0
	}
	return d.LostAt
}

// Fold sorts events by device, those of one device in the order of the queue,
// and folds them into steps. What follows the forgetting of a device goes into
// the next step: it is about another life of the device. So there is one step,
// or one more than the times that any one device was forgotten.
func Fold(events []*sluicev1.PresenceEvent) (steps []*Step, restarts []*sluicev1.PresenceEvent) {
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
			steps = append(steps, &Step{})
		}
		steps[now].apply(e)
		if e.Kind == sluicev1.PresenceKind_PRESENCE_KIND_FORGOTTEN {
			now++
		}
	}
	return steps, restarts
}

func byDevice(a, b *sluicev1.PresenceEvent) int { return strings.Compare(a.Device, b.Device) }

func (s *Step) apply(e *sluicev1.PresenceEvent) {
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
func (s *Step) renew(e *sluicev1.PresenceEvent) {
	d := Device{e, DownWords[e.Cause]}
	last := s.lastDevice(e.Device)
	if last == nil {
		s.Devices = append(s.Devices, d)
		return
	}
	if e.Version < last.Version {
		return
	}
	if d.DownCause == "" && e.DownAt == last.DownAt {
		d.DownCause = last.DownCause
	}
	*last = d
}

// forget replaces the state of the device, unless that is newer.
func (s *Step) forget(e *sluicev1.PresenceEvent) {
	if last := s.lastDevice(e.Device); last != nil {
		if e.Version < last.Version {
			return
		}
		s.Devices = s.Devices[:len(s.Devices)-1]
	}
	s.Forgotten = append(s.Forgotten, e)
}

// lastDevice returns the row of the device, which is the last one if there is
// one: events come device by device.
func (s *Step) lastDevice(name string) *Device {
	if n := len(s.Devices); n > 0 && s.Devices[n-1].Device == name {
		return &s.Devices[n-1]
	}
	return nil
}

// fell adds an outage, or its beginning to one of which only the end was told.
// The databases do the same to stored rows.
func (s *Step) fell(e *sluicev1.PresenceEvent) {
	o := s.outage(e)
	if cause := DownWords[e.Cause]; cause != "" && o.Cause == "" {
		o.Lost, o.Cause, o.Muted, o.Flap = e.LostAt, cause, e.Muted, FlapWords[e.Flap]
	}
}

// cameBack ends an outage unless it has ended.
func (s *Step) cameBack(e *sluicev1.PresenceEvent) {
	o := s.outage(e)
	if o.Up != 0 {
		return
	}
	o.Up, o.Recovery = e.At, UpWords[e.Cause]
	if o.Recovery == "" {
		o.Recovery = "unknown"
	}
}

// outage returns the row for the outage of the event, a new one if need be.
func (s *Step) outage(e *sluicev1.PresenceEvent) *Outage {
	for i := len(s.Outages) - 1; i >= 0 && s.Outages[i].Device == e.Device; i-- {
		if s.Outages[i].Down == e.DownAt {
			return &s.Outages[i]
		}
	}
	s.Outages = append(s.Outages, Outage{
		Device: e.Device, Down: e.DownAt, Lost: e.LostAt, Muted: e.Muted, Flap: FlapWords[e.Flap],
	})
	return &s.Outages[len(s.Outages)-1]
}

func (s *Step) reported(e *sluicev1.PresenceEvent) {
	r := Report{e.Device, e.DownAt, Text(e.Receiver) + ":" + Text(e.Report)}
	for i := len(s.Reports) - 1; i >= 0 && s.Reports[i].Device == r.Device; i-- {
		if s.Reports[i] == r {
			return
		}
	}
	s.Reports = append(s.Reports, r)
}
