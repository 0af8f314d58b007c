package sluice

import (
	"context"
	"slices"
)

// addPresence makes the lanes behind presence:
//
//	moves --> $device --> Devices (the database)
//	      --> lwt -----> Outages --> $notify/<name> --> the receiver
//	                                      |
//	            $device <-- reported -----+
//
// The queues on the right are filled by the step that completes a batch on the
// left, so that no receiver holds up or repeats another.
func (r *Router) addPresence(p *Presence) {
	var devices *lane
	if p.Devices != nil {
		devices = r.internal(QueueDevices, DevicesPolicy(), p.Devices)
	}
	if !p.Settings.Events {
		return
	}
	events := r.internal(QueueEvents, EventsPolicy(), p.outages())
	var receivers []Part
	for _, to := range p.Receivers {
		l := r.internal(QueueNotify+to.Name, to.Policy, to.Handler)
		if to.Reported != nil {
			l.forward = func(b *Batch, o Outcome) []Part {
				if len(good(b, o)) == 0 { // given up: nothing was sent
					return nil
				}
				return parts([]Part{{Queue: QueueDevices, Policy: DevicesPolicy()}}, to.Reported(b))
			}
			if devices != nil {
				l.onward = []*lane{devices}
			}
		}
		events.onward = append(events.onward, l)
		receivers = append(receivers, Part{Queue: QueueNotify + to.Name, Policy: to.Policy.Resolve()})
	}
	events.forward = func(b *Batch, o Outcome) []Part { return parts(receivers, good(b, o)) }
}

// outages is the handler of QueueEvents.
func (p *Presence) outages() Handler {
	if p.Outages != nil {
		return p.Outages
	}
	return HandlerFunc(func(context.Context, *Batch) error { return nil })
}

// good returns the messages of a batch that are not dead.
func good(b *Batch, o Outcome) []Message {
	dead := make(map[int]bool, len(o.Dead))
	for _, d := range o.Dead {
		dead[d.Index] = true
	}
	var kept []Message
	for i, m := range b.Messages {
		if !dead[i] {
			kept = append(kept, m)
		}
	}
	return kept
}

// parts gives each of the parts the same messages; none when there are none.
func parts(to []Part, ms []Message) []Part {
	if len(ms) == 0 {
		return nil
	}
	var f Frame
	for _, m := range ms {
		f.Append([]byte(m.Topic), m.Payload, m.Received.UnixMicro())
	}
	out := slices.Clone(to)
	for i := range out {
		out[i].Frame = f
	}
	return out
}

// pushed passes on what moves and deadlines pushed to the queues of presence.
func (r *Router) pushed(p PresenceReceipt) {
	r.pushedTo(QueueEvents, p.Events)
	r.pushedTo(QueueDevices, p.Devices)
}

func (r *Router) pushedTo(queue string, p PartReceipt) {
	if p == (PartReceipt{}) { // most appends push nothing
		return
	}
	if l := r.lanes[queue]; l != nil {
		l.appended(p)
	}
}
