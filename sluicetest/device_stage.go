package sluicetest

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"sluice"
	"sluice/gen/sluicev1"
)

// effect is what an act came to, without what depends on the store's clock.
type effect struct {
	Err        string
	Repeated   bool
	Receipt    sluice.PresenceReceipt
	Due        sluice.DueResult
	Attendance sluice.Attendance
	OK         bool
	Counts     sluice.PresenceCounts
	Devices    []sluice.Device // sorted by name
}

// ending is what a history leaves behind in the queues.
type ending struct {
	Events, Changes []*sluicev1.PresenceEvent // in order for each device
	Accounts        []sluice.Account
}

// stage plays acts on a store.
type stage struct {
	rig     *rig
	s       Store
	streams map[string]*stream
	offset  int64
}

// stream is what the ingest of one session knows.
type stream struct {
	lease, before sluice.Lease
	number        uint64
	last          *sluice.Group
}

func newStage(r *rig, s Store) *stage {
	out := &stage{rig: &rig{T: r.T, ctx: r.ctx, q: s}, s: s, streams: map[string]*stream{}}
	c, err := s.Clock(r.ctx)
	r.ok(err)
	r.ok(s.SetOffset(r.ctx, c.Offset, 0))
	return out
}

// play makes an act and looks at everything after it.
func (p *stage) play(a act) (o effect) {
	err := p.do(a, &o)
	o.Err = p.words(a, err)
	o.Receipt, o.Due.Receipt = ageless(o.Receipt), ageless(o.Due.Receipt)
	devices, err := listDevices(p.rig.ctx, p.s)
	p.rig.ok(err)
	for i := range devices {
		devices[i].Muted = mutedClass(devices[i].Muted)
	}
	o.Devices = devices
	o.Counts, err = p.s.CountDevices(p.rig.ctx)
	p.rig.ok(err)
	return o
}

func (p *stage) do(a act, o *effect) (err error) {
	ctx, l := p.rig.ctx, p.lease(a)
	switch a.name {
	case "append":
		var r sluice.Receipt
		r, err = p.append(a, l)
		o.Repeated, o.Receipt = r.Repeated, r.Presence
	case "due":
		o.Due, err = p.s.Due(ctx, l, a.due)
	case "grace":
		o.Receipt, err = p.grace(a, l)
	case "attend":
		o.Attendance, err = p.s.Attend(ctx, l, a.seen)
	case "lease":
		err = p.takeLease(a)
	case "unlease":
		err = p.s.Unlease(ctx, l)
	case "mute":
		_, o.OK, err = p.s.MuteDevice(ctx, a.device, a.mute)
	case "forget":
		o.OK, err = p.s.ForgetDevice(ctx, a.device)
	case "offset":
		err = p.s.SetOffset(ctx, p.offset, a.offset)
		p.offset = a.offset
	}
	return err
}

func (p *stage) stream(session string) *stream {
	s := p.streams[session]
	if s == nil {
		s = &stream{}
		p.streams[session] = s
	}
	return s
}

func (p *stage) lease(a act) sluice.Lease {
	s := p.stream(a.session)
	if a.stale {
		return s.before
	}
	return s.lease
}

// takeLease takes a new lease. But for "idle" a session feeds presence from its
// first moment: what it is between the two calls is not promised.
func (p *stage) takeLease(a act) error {
	s := p.stream(a.session)
	l, err := p.s.Lease(p.rig.ctx, a.session, "a", long)
	if err != nil {
		return err
	}
	s.before, s.lease, s.number, s.last = s.lease, l, 0, nil
	if a.session != "idle" {
		_, err = p.s.Attend(p.rig.ctx, l, 0)
	}
	return err
}

func (p *stage) append(a act, l sluice.Lease) (sluice.Receipt, error) {
	s := p.stream(a.session)
	if a.repeat && s.last != nil {
		return p.s.Append(p.rig.ctx, s.last)
	}
	g := &sluice.Group{Lease: l, Number: s.number + 1, Moves: a.moves, CaughtUp: a.caughtUp, Presence: a.settings}
	if a.gap {
		g.Number++
	}
	r, err := p.s.Append(p.rig.ctx, g)
	if err == nil {
		s.number, s.last = g.Number, g
	}
	return r, err
}

// grace makes as many calls as it takes and returns the last receipt; in random
// histories the devices are few enough for one.
func (p *stage) grace(a act, l sluice.Lease) (r sluice.PresenceReceipt, err error) {
	for cursor, first := "", true; first || cursor != ""; first = false {
		if cursor, r, err = p.s.Grace(p.rig.ctx, l, a.grace, cursor); err != nil {
			return r, err
		}
	}
	return r, nil
}

// words names an error that an act may lead to; any other fails the test.
func (p *stage) words(a act, err error) string {
	p.rig.Helper()
	var limit *sluice.DeviceLimitError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, sluice.ErrFenced):
		return "fenced"
	case errors.As(err, &limit):
		return fmt.Sprint("limit", limit.Moves)
	case a.gap:
		return "gap"
	}
	p.rig.Fatalf("%v: %v", a, err)
	return ""
}

// end empties the queues of presence.
func (p *stage) end() (e ending) {
	p.rig.Helper()
	for _, queue := range []string{sluice.QueueEvents, sluice.QueueDevices, sluice.AccountPresence} {
		p.rig.balanced(queue)
		e.Accounts = append(e.Accounts, p.rig.status(queue).Account)
	}
	e.Events, e.Changes = p.events(sluice.QueueEvents), p.events(sluice.QueueDevices)
	return e
}

func (p *stage) events(queue string) []*sluicev1.PresenceEvent {
	p.rig.Helper()
	events, err := decodeEvents(p.rig.empty(queue))
	p.rig.ok(err)
	for _, e := range events {
		plain(e)
	}
	return byDevice(events)
}

// plain takes out of an event what depends on the store's clock, or is not
// promised.
func plain(e *sluicev1.PresenceEvent) {
	e.MutedUntil = mutedClass(e.MutedUntil)
	if e.At < farOff-century.Microseconds()/4 { // when an operator did something
		e.At = 0
	}
	switch e.Kind {
	case sluicev1.PresenceKind_PRESENCE_KIND_FORGOTTEN: // nothing is known any more
		kept := &sluicev1.PresenceEvent{Kind: e.Kind, Device: e.Device, At: e.At, Version: e.Version}
		proto.Reset(e)
		proto.Merge(e, kept)
	case sluicev1.PresenceKind_PRESENCE_KIND_BROKER_RESTART: // a version is a device's
		e.Version = 0
	}
}

// mutedClass tells of a time until which a device is muted only whether that is in
// the future of a history (2), its past (1) or never (0).
func mutedClass(until int64) int64 {
	switch {
	case until == 0:
		return 0
	case until < farOff:
		return 1
	}
	return 2
}

// ageless is a receipt without what only the store's clock decides.
func ageless(r sluice.PresenceReceipt) sluice.PresenceReceipt {
	for _, p := range []*time.Duration{&r.Events.Age, &r.Devices.Age} {
		*p = 0
	}
	return r
}
