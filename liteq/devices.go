package liteq

import (
	"context"
	"time"

	"sluice"
	"sluice/gen/sluicev1"
	"sluice/internal/roster"
)

// tell pushes the tidings of a step.
func (q *Queue) tell(t *roster.Tidings, events bool, now int64) (r sluice.PresenceReceipt, err error) {
	if t.Moves > 0 {
		f := q.fifo(sluice.AccountPresence)
		f.Account.Received += int64(t.Moves)
		f.Account.Stored += int64(t.Moves)
	}
	if events && len(t.Events) > 0 {
		if r.Events, err = q.pushEvents(sluice.QueueEvents, t.Events, sluice.EventsPolicy(), now); err != nil {
			return r, err
		}
	}
	if len(t.Changes) > 0 {
		r.Devices, err = q.pushEvents(sluice.QueueDevices, t.Changes, sluice.DevicesPolicy(), now)
	}
	r.Next = q.roster.Next()
	return r, err
}

func (q *Queue) pushEvents(queue string, events []*sluicev1.PresenceEvent, p sluice.Policy, now int64) (sluice.PartReceipt, error) {
	frame, err := roster.Frame(queue, events, now)
	if err != nil {
		return sluice.PartReceipt{}, err
	}
	return q.push(queue, frame, p, now, now), nil
}

// Clock implements sluice.DeviceStore.
func (q *Queue) Clock(ctx context.Context) (c sluice.StoreClock, err error) {
	err = q.step(ctx, func(now int64) error {
		c = q.roster.Clock(now)
		return nil
	})
	return c, err
}

// SetOffset implements sluice.DeviceStore.
func (q *Queue) SetOffset(ctx context.Context, before, after int64) error {
	return q.step(ctx, func(int64) error {
		q.roster.SetOffset(before, after)
		return nil
	})
}

// Attend implements sluice.DeviceStore.
func (q *Queue) Attend(ctx context.Context, l sluice.Lease, seen int64) (a sluice.Attendance, err error) {
	err = q.step(ctx, func(int64) (err error) {
		a, err = q.roster.Attend(l, seen)
		return err
	})
	return a, err
}

// Unheard implements sluice.DeviceStore.
func (q *Queue) Unheard(ctx context.Context, l sluice.Lease, until int64) error {
	return q.step(ctx, func(int64) error { return q.roster.Unheard(l, until) })
}

// Due implements sluice.DeviceStore.
func (q *Queue) Due(ctx context.Context, l sluice.Lease, r sluice.DueRequest) (result sluice.DueResult, err error) {
	err = q.leased(ctx, l, func(now int64) (err error) {
		var t *roster.Tidings
		result, t = q.roster.Due(r, now)
		result.Receipt, err = q.tell(t, r.Events, now)
		return err
	})
	if err != nil {
		return sluice.DueResult{}, err
	}
	return result, nil
}

// Grace implements sluice.DeviceStore.
func (q *Queue) Grace(ctx context.Context, l sluice.Lease, r sluice.GraceRequest, cursor string) (next string, receipt sluice.PresenceReceipt, err error) {
	err = q.leased(ctx, l, func(now int64) (err error) {
		var t *roster.Tidings
		next, t = q.roster.Grace(r, cursor)
		receipt, err = q.tell(t, r.Events, now)
		return err
	})
	return next, receipt, err
}

// Devices implements sluice.DeviceStore.
func (q *Queue) Devices(ctx context.Context, cursor string) (page []sluice.Device, next string, err error) {
	err = q.step(ctx, func(int64) error {
		page, next = q.roster.Devices.Page(cursor, q.roster.Pages.Devices)
		return nil
	})
	return page, next, err
}

// Device implements sluice.DeviceStore.
func (q *Queue) Device(ctx context.Context, name string) (d *sluice.Device, err error) {
	err = q.step(ctx, func(int64) error {
		if stored := q.roster.Devices.Get(name); stored != nil {
			copied := roster.CloneDevice(stored)
			d = &copied
		}
		return nil
	})
	return d, err
}

// ForgetDevice implements sluice.DeviceStore.
func (q *Queue) ForgetDevice(ctx context.Context, name string) (ok bool, err error) {
	err = q.step(ctx, func(now int64) error {
		t := q.roster.ForgetDevice(name, now)
		if t == nil {
			return nil
		}
		ok = true
		_, err := q.tell(t, false, now)
		return err
	})
	return ok && err == nil, err
}

// MuteDevice implements sluice.DeviceStore.
func (q *Queue) MuteDevice(ctx context.Context, name string, d time.Duration) (until int64, ok bool, err error) {
	err = q.step(ctx, func(now int64) error {
		wanted := int64(0)
		if d > 0 {
			wanted = now + d.Microseconds()
		}
		t := q.roster.MuteDevice(name, wanted, now)
		if t == nil {
			return nil
		}
		until, ok = wanted, true
		_, err := q.tell(t, false, now)
		return err
	})
	if err != nil {
		return 0, false, err
	}
	return until, ok, nil
}

// CountDevices implements sluice.DeviceStore.
func (q *Queue) CountDevices(ctx context.Context) (c sluice.PresenceCounts, err error) {
	err = q.step(ctx, func(int64) error {
		c = q.roster.Devices.Count()
		return nil
	})
	return c, err
}
