package sluicetest

import (
	"context"
	"time"

	"sluice"
	"sluice/gen/sluicev1"
	"sluice/internal/roster"
)

// Store is a queue that keeps devices and clients too, as package redisq and Queue
// do.
type Store interface {
	sluice.Queue
	sluice.DeviceStore
	sluice.ClientStore
}

var _ Store = (*Queue)(nil)

// pages are small, so that callers are tested with more than one.
var pages = roster.Pages{Devices: 100, Grace: 1000, Clients: 50}

// countMoves counts the moves of a group: nothing of them is queued.
func (q *Queue) countMoves(t *roster.Tidings) {
	if t.Moves > 0 {
		f := q.fifo(sluice.AccountPresence)
		f.account.Received += int64(t.Moves)
		f.account.Stored += int64(t.Moves)
	}
}

// tell pushes the tidings of a step.
func (q *Queue) tell(t *roster.Tidings, events bool) (r sluice.PresenceReceipt) {
	if events && len(t.Events) > 0 {
		r.Events = q.pushEvents(sluice.QueueEvents, t.Events, sluice.EventsPolicy())
	}
	if len(t.Changes) > 0 {
		r.Devices = q.pushEvents(sluice.QueueDevices, t.Changes, sluice.DevicesPolicy())
	}
	r.Next = q.roster.Next()
	return r
}

func (q *Queue) pushEvents(queue string, events []*sluicev1.PresenceEvent, p sluice.Policy) sluice.PartReceipt {
	frame, err := roster.Frame(queue, events, q.micros())
	if err != nil { // a name that is not UTF-8; CheckMoves lets none in
		panic("sluicetest: " + err.Error())
	}
	ms, err := sluice.AppendMessages(nil, frame.Data)
	if err != nil {
		panic("sluicetest: " + err.Error())
	}
	return q.push(q.fifo(queue), ms, p, 0)
}

// Clock implements sluice.DeviceStore.
func (q *Queue) Clock(ctx context.Context) (c sluice.StoreClock, err error) {
	err = q.step(ctx, func() { c = q.roster.Clock(q.micros()) })
	return c, err
}

// SetOffset implements sluice.DeviceStore.
func (q *Queue) SetOffset(ctx context.Context, before, after int64) error {
	return q.step(ctx, func() { q.roster.SetOffset(before, after) })
}

// Attend implements sluice.DeviceStore.
func (q *Queue) Attend(ctx context.Context, l sluice.Lease, seen int64) (a sluice.Attendance, err error) {
	err = q.try(ctx, func() (err error) {
		a, err = q.roster.Attend(l, seen)
		return err
	})
	return a, err
}

// Unheard implements sluice.DeviceStore.
func (q *Queue) Unheard(ctx context.Context, l sluice.Lease, until int64) error {
	return q.try(ctx, func() error { return q.roster.Unheard(l, until) })
}

// Due implements sluice.DeviceStore.
func (q *Queue) Due(ctx context.Context, l sluice.Lease, r sluice.DueRequest) (result sluice.DueResult, err error) {
	err = q.leased(ctx, l, func() error {
		var t *roster.Tidings
		result, t = q.roster.Due(r, q.micros())
		result.Receipt = q.tell(t, r.Events)
		return nil
	})
	return result, err
}

// Grace implements sluice.DeviceStore.
func (q *Queue) Grace(ctx context.Context, l sluice.Lease, r sluice.GraceRequest, cursor string) (next string, receipt sluice.PresenceReceipt, err error) {
	err = q.leased(ctx, l, func() error {
		var t *roster.Tidings
		next, t = q.roster.Grace(r, cursor)
		receipt = q.tell(t, r.Events)
		return nil
	})
	return next, receipt, err
}

// Devices implements sluice.DeviceStore.
func (q *Queue) Devices(ctx context.Context, cursor string) (page []sluice.Device, next string, err error) {
	err = q.step(ctx, func() { page, next = q.roster.Devices.Page(cursor, pages.Devices) })
	return page, next, err
}

// Device implements sluice.DeviceStore.
func (q *Queue) Device(ctx context.Context, name string) (d *sluice.Device, err error) {
	err = q.step(ctx, func() {
		if stored := q.roster.Devices.Get(name); stored != nil {
			copied := roster.CloneDevice(stored)
			d = &copied
		}
	})
	return d, err
}

// ForgetDevice implements sluice.DeviceStore.
func (q *Queue) ForgetDevice(ctx context.Context, name string) (ok bool, err error) {
	err = q.step(ctx, func() {
		t := q.roster.ForgetDevice(name, q.micros())
		if ok = t != nil; ok {
			q.tell(t, false)
		}
	})
	return ok, err
}

// MuteDevice implements sluice.DeviceStore.
func (q *Queue) MuteDevice(ctx context.Context, name string, d time.Duration) (until int64, ok bool, err error) {
	err = q.step(ctx, func() {
		now := q.micros()
		if d > 0 {
			until = now + d.Microseconds()
		}
		t := q.roster.MuteDevice(name, until, now)
		if ok = t != nil; ok {
			q.tell(t, false)
		} else {
			until = 0
		}
	})
	return until, ok, err
}

// CountDevices implements sluice.DeviceStore.
func (q *Queue) CountDevices(ctx context.Context) (c sluice.PresenceCounts, err error) {
	err = q.step(ctx, func() { c = q.roster.Devices.Count() })
	return c, err
}
