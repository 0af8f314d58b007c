package sluicetest

import (
	"context"
	"maps"
	"slices"
	"time"

	"sluice"
	"sluice/gen/sluicev1"
)

// Store is a queue that keeps devices and clients too, as package redisq and Queue
// do.
type Store interface {
	sluice.Queue
	sluice.DeviceStore
	sluice.ClientStore
}

var _ Store = (*Queue)(nil)

// Pages are small, so that callers are tested with more than one.
const (
	devicePage = 100
	gracePage  = 1000
)

// presenceTime is the queue's clock without its jumps.
func (q *Queue) presenceTime() int64 { return q.now().UnixMicro() - q.known.offset }

// locked makes a step.
func (q *Queue) locked(ctx context.Context, step func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	step()
	return nil
}

// move makes the moves of a group. A recovery is told as it happens; of every
// other change only what the group as a whole made of the device.
func (q *Queue) move(g *sluice.Group) sluice.PresenceReceipt {
	if len(g.Moves) == 0 {
		return sluice.PresenceReceipt{}
	}
	t := &tidings{scene: q.known.scene()}
	untold := map[string]int64{} // device: when it changed last
	for _, m := range g.Moves {
		if m.Kind != sluice.MoveSeen { // a reading is counted by its route
			f := q.fifo(sluice.AccountPresence)
			f.account.Received++
			f.account.Stored++
		}
		if m.Client != "" && !q.registry.finishWill(m.Client, m.Connection, q.now()) {
			continue
		}
		d := q.known.device(m.Device)
		switch d.Apply(m, t.scene) {
		case sluice.Changed:
			untold[m.Device] = m.At
		case sluice.CameBack:
			t.recovery(d, m)
			delete(untold, m.Device)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(untold)) {
		t.changed(q.known.devices[name], untold[name]+t.scene.Offset)
	}
	return q.tell(t, g.Presence.Events)
}

// Clock implements sluice.DeviceStore.
func (q *Queue) Clock(ctx context.Context) (c sluice.StoreClock, err error) {
	err = q.locked(ctx, func() { c = sluice.StoreClock{Now: q.presenceTime(), Offset: q.known.offset} })
	return c, err
}

// SetOffset implements sluice.DeviceStore.
func (q *Queue) SetOffset(ctx context.Context, before, after int64) error {
	return q.locked(ctx, func() {
		if q.known.offset == before {
			q.known.offset = after
		}
	})
}

// Attend implements sluice.DeviceStore.
func (q *Queue) Attend(ctx context.Context, l sluice.Lease, seen int64) (a sluice.Attendance, err error) {
	err = q.withLease(ctx, l, func(s *session) {
		s.attends = s.token
		q.known.brokerSeen = max(q.known.brokerSeen, seen)
		a = sluice.Attendance{CaughtUp: s.caughtUp, BrokerSeen: q.known.brokerSeen}
	})
	return a, err
}

// Unheard implements sluice.DeviceStore.
func (q *Queue) Unheard(ctx context.Context, l sluice.Lease, until int64) error {
	return q.withLease(ctx, l, func(*session) { q.known.unheard = max(q.known.unheard, until) })
}

// Due implements sluice.DeviceStore.
func (q *Queue) Due(ctx context.Context, l sluice.Lease, r sluice.DueRequest) (result sluice.DueResult, err error) {
	err = q.withLease(ctx, l, func(*session) { result = q.due(r) })
	return result, err
}

func (q *Queue) due(r sluice.DueRequest) (result sluice.DueResult) {
	result.CaughtUp = q.caughtUp()
	judged := min(result.CaughtUp, r.Now)
	t, alive := &tidings{scene: q.known.scene()}, q.known.alive()
	fall, steady := q.known.due(judged), q.known.steady(judged)
	if result.Excused = q.known.excuse(atMost(r.Limit, fall), t); result.Excused > 0 {
		result.Receipt = q.tell(t, r.Events)
		return result
	}
	if len(fall) > 0 {
		result.Wait = q.known.gathers(fall[0].Deadline, judged)
	}
	if result.Wait > 0 {
		fall = nil
	}
	for _, d := range atMost(r.Limit, fall) {
		if d.Steady > 0 && d.Steady <= d.Deadline { // it was steady before it fell
			t.steady(d)
			result.Steadied++
		}
		t.fall(d, alive)
		alive--
		result.Fell++
	}
	for _, d := range atMost(r.Limit, steady) {
		if d.Steady > 0 && d.Steady <= judged { // it did not fall just now
			t.steady(d)
			result.Steadied++
		}
	}
	result.Receipt = q.tell(t, r.Events)
	return result
}

func atMost(n int, ds []*sluice.Device) []*sluice.Device { return ds[:min(max(n, 0), len(ds))] }

// caughtUp is the least caught_up of the live sessions; 0 when there is none, or
// one has none.
func (q *Queue) caughtUp() (least int64) {
	now := q.now()
	for _, s := range q.sessions {
		switch {
		case !s.live(now):
		case s.caughtUp == 0:
			return 0
		case least == 0 || s.caughtUp < least:
			least = s.caughtUp
		}
	}
	return least
}

// live tells whether the session feeds presence. That of a front door does until it
// is inherited.
func (s *session) live(now time.Time) bool {
	if s.door {
		return s.attends != "" && now.Before(s.until.Add(sluice.DoorHeld))
	}
	return s.token != "" && s.attends == s.token && now.Before(s.until)
}

// Grace implements sluice.DeviceStore.
func (q *Queue) Grace(ctx context.Context, l sluice.Lease, r sluice.GraceRequest, cursor string) (next string, receipt sluice.PresenceReceipt, err error) {
	err = q.withLease(ctx, l, func(*session) { next, receipt = q.grace(r, cursor) })
	return next, receipt, err
}

func (q *Queue) grace(r sluice.GraceRequest, cursor string) (next string, receipt sluice.PresenceReceipt) {
	t := &tidings{}
	if cursor == "" && r.Until > q.known.graceUntil && !r.Lost { // else it is a repeat
		q.known.graceUntil = r.Until
		t.report(&sluicev1.PresenceEvent{
			Kind: sluicev1.PresenceKind_PRESENCE_KIND_BROKER_RESTART,
			At:   r.Now + q.known.offset, DownAt: r.Started + q.known.offset, Version: r.Now,
		})
	}
	names, next := q.known.page(cursor, gracePage)
	for _, name := range names {
		d := q.known.devices[name]
		give := func() sluice.Change { return d.Grace(r.Now, r.Until, r.Since+q.known.offset, q.known.scene()) }
		if r.Lost {
			give = func() sluice.Change { return d.Pardon(r.Now, r.Until, r.Since+q.known.offset) }
		}
		if give() != sluice.NoChange {
			t.changed(d, r.Now+q.known.offset)
		}
	}
	return next, q.tell(t, r.Events)
}

// Devices implements sluice.DeviceStore.
func (q *Queue) Devices(ctx context.Context, cursor string) (page []sluice.Device, next string, err error) {
	err = q.locked(ctx, func() {
		var names []string
		names, next = q.known.page(cursor, devicePage)
		for _, name := range names {
			page = append(page, cloneDevice(q.known.devices[name]))
		}
	})
	return page, next, err
}

// Device implements sluice.DeviceStore.
func (q *Queue) Device(ctx context.Context, name string) (d *sluice.Device, err error) {
	err = q.locked(ctx, func() {
		if stored := q.known.devices[name]; stored != nil {
			copied := cloneDevice(stored)
			d = &copied
		}
	})
	return d, err
}

// ForgetDevice implements sluice.DeviceStore.
func (q *Queue) ForgetDevice(ctx context.Context, name string) (ok bool, err error) {
	err = q.locked(ctx, func() {
		var d *sluice.Device
		if d, ok = q.known.devices[name]; !ok {
			return
		}
		delete(q.known.devices, name)
		e := describe(sluicev1.PresenceKind_PRESENCE_KIND_FORGOTTEN, &sluice.Device{Name: name}, q.now().UnixMicro())
		e.Version = max(d.Version+1, q.presenceTime())
		q.tell(&tidings{changes: []*sluicev1.PresenceEvent{e}}, false)
	})
	return ok, err
}

// MuteDevice implements sluice.DeviceStore.
func (q *Queue) MuteDevice(ctx context.Context, name string, d time.Duration) (until int64, ok bool, err error) {
	err = q.locked(ctx, func() {
		var muted *sluice.Device
		if muted, ok = q.known.devices[name]; !ok {
			return
		}
		now := q.now().UnixMicro()
		if d > 0 {
			until = now + d.Microseconds()
		}
		muted.Muted = until
		muted.Version = max(muted.Version+1, q.presenceTime())
		t := &tidings{}
		t.changed(muted, now)
		q.tell(t, false)
	})
	return until, ok, err
}

// CountDevices implements sluice.DeviceStore.
func (q *Queue) CountDevices(ctx context.Context) (c sluice.PresenceCounts, err error) {
	err = q.locked(ctx, func() { c = q.known.count() })
	return c, err
}
