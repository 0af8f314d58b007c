package sluicetest

import (
	"context"
	"time"

	"sluice"
)

var _ Store = (*FaultyQueue)(nil)

// devices is the wrapped queue as a sluice.DeviceStore; the methods below panic
// when it is none.
func (f *FaultyQueue) devices() sluice.DeviceStore { return f.queue.(sluice.DeviceStore) }

// Clock implements sluice.DeviceStore.
func (f *FaultyQueue) Clock(ctx context.Context) (sluice.StoreClock, error) {
	return do(ctx, f, "Clock", func() (sluice.StoreClock, error) { return f.devices().Clock(ctx) })
}

// SetOffset implements sluice.DeviceStore.
func (f *FaultyQueue) SetOffset(ctx context.Context, before, after int64) error {
	return f.run(ctx, "SetOffset", func() error { return f.devices().SetOffset(ctx, before, after) })
}

// Attend implements sluice.DeviceStore.
func (f *FaultyQueue) Attend(ctx context.Context, l sluice.Lease, seen int64) (sluice.Attendance, error) {
	return do(ctx, f, "Attend", func() (sluice.Attendance, error) { return f.devices().Attend(ctx, l, seen) })
}

// Unheard implements sluice.DeviceStore.
func (f *FaultyQueue) Unheard(ctx context.Context, l sluice.Lease, until int64) error {
	return f.run(ctx, "Unheard", func() error { return f.devices().Unheard(ctx, l, until) })
}

// Due implements sluice.DeviceStore.
func (f *FaultyQueue) Due(ctx context.Context, l sluice.Lease, r sluice.DueRequest) (sluice.DueResult, error) {
	return do(ctx, f, "Due", func() (sluice.DueResult, error) { return f.devices().Due(ctx, l, r) })
}

// Grace implements sluice.DeviceStore.
func (f *FaultyQueue) Grace(ctx context.Context, l sluice.Lease, r sluice.GraceRequest, cursor string) (string, sluice.PresenceReceipt, error) {
	type answer struct {
		next    string
		receipt sluice.PresenceReceipt
	}
	a, err := do(ctx, f, "Grace", func() (a answer, err error) {
		a.next, a.receipt, err = f.devices().Grace(ctx, l, r, cursor)
		return a, err
	})
	return a.next, a.receipt, err
}

// Devices implements sluice.DeviceStore.
func (f *FaultyQueue) Devices(ctx context.Context, cursor string) ([]sluice.Device, string, error) {
	type answer struct {
		page []sluice.Device
		next string
	}
	a, err := do(ctx, f, "Devices", func() (a answer, err error) {
		a.page, a.next, err = f.devices().Devices(ctx, cursor)
		return a, err
	})
	return a.page, a.next, err
}

// Device implements sluice.DeviceStore.
func (f *FaultyQueue) Device(ctx context.Context, name string) (*sluice.Device, error) {
	return do(ctx, f, "Device", func() (*sluice.Device, error) { return f.devices().Device(ctx, name) })
}

// ForgetDevice implements sluice.DeviceStore.
func (f *FaultyQueue) ForgetDevice(ctx context.Context, name string) (bool, error) {
	return do(ctx, f, "ForgetDevice", func() (bool, error) { return f.devices().ForgetDevice(ctx, name) })
}

// MuteDevice implements sluice.DeviceStore.
func (f *FaultyQueue) MuteDevice(ctx context.Context, name string, d time.Duration) (int64, bool, error) {
	type answer struct {
		until int64
		ok    bool
	}
	a, err := do(ctx, f, "MuteDevice", func() (a answer, err error) {
		a.until, a.ok, err = f.devices().MuteDevice(ctx, name, d)
		return a, err
	})
	return a.until, a.ok, err
}

// CountDevices implements sluice.DeviceStore.
func (f *FaultyQueue) CountDevices(ctx context.Context) (sluice.PresenceCounts, error) {
	return do(ctx, f, "CountDevices", func() (sluice.PresenceCounts, error) { return f.devices().CountDevices(ctx) })
}
