package api

import (
	"context"

	"sluice/gen/sluicev1"
)

// ChangeStore tells what has changed, by marks.
type ChangeStore interface {
	// Mark names this moment: what is committed after it, the methods below do not
	// miss. They may give again what was written shortly before.
	Mark(ctx context.Context) (string, error)
	// ChangedDevices returns the devices that were written since mark.
	ChangedDevices(ctx context.Context, mark string) ([]*sluicev1.Device, error)
	// ChangedOutages returns the latest outages of these devices that were written
	// since mark, the earliest first.
	ChangedOutages(ctx context.Context, mark string, of []*sluicev1.Device) ([]*sluicev1.Outage, error)
	// ChangedRoutes returns the routes that were written since mark.
	ChangedRoutes(ctx context.Context, mark string) ([]*sluicev1.Route, error)
}
