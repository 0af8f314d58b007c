package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice"
	"sluice/gen/sluicev1"
	"sluice/store"
)

// Devices is the sink of changes of devices, the handler of sluice.QueueDevices.
// It keeps data.device (what is known of each device now), data.outage (the
// history of outages) and data.broker_restart. Messages are
// sluice.v1.PresenceEvent.
//
// A batch is one transaction and counts once. Of two states of a device the one
// with the higher version stays, so that a batch that comes late undoes nothing.
// An outage is told by up to four events, in any order but the last: its
// beginning, its end, the beginning of a later one if its end was never told,
// and the reports of it, which count only once the outage is there.
//
// Handle returns nil, a *sluice.BatchError, a sluice.Halt or an error to be
// tried again. Reasons: decode (also an event that lacks what its kind needs),
// device_name. Safe for concurrent use; batches of one facility take turns.
type Devices struct {
	pool     *pgxpool.Pool
	facility int32
}

// NewDevices returns the sink for the facility of that number (see Facility).
func NewDevices(pool *pgxpool.Pool, facility int32) *Devices {
	return &Devices{pool: pool, facility: facility}
}

// Handle implements sluice.Handler.
func (d *Devices) Handle(ctx context.Context, b *sluice.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, DefaultTimeout)
	defer cancel()
	events, bad := store.DecodeEvents(b)
	steps, restarts := store.Fold(events)
	stored, err := once(ctx, d.pool, b.ID, &d.facility, func(ctx context.Context, tx pgx.Tx) error {
		if err := tx.SendBatch(ctx, d.statements(steps, restarts)).Close(); err != nil {
			return err
		}
		if len(bad) > 0 {
			return &sluice.BatchError{Bad: bad}
		}
		return nil
	})
	if err != nil {
		return Failure(b.Attempt, fmt.Errorf("store devices: %w", err))
	}
	return store.DecodeOutcome(stored)
}

// statements are sent together: one round trip for all of them. Those without a
// row are left out; of a batch that tells of no outage one remains beside the
// lock.
func (d *Devices) statements(steps []*store.Step, restarts []*sluicev1.PresenceEvent) *pgx.Batch {
	var b pgx.Batch
	b.Queue(lockDevices, int32(devicesLock), d.facility)
	for _, s := range steps {
		queueOutages(&b, d.facility, s)
		queueForgotten(&b, d.facility, s)
		queueReports(&b, d.facility, s)
		queueDevices(&b, d.facility, s)
	}
	queueRestarts(&b, d.facility, restarts)
	return &b
}
