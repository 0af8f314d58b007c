package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"sluice/store"
)

// WriteRouteStatus records the state of routes, where the api reads it: one row per
// facility and route.
func (s *Store) WriteRouteStatus(ctx context.Context, facility int32, routes []store.RouteStatus) error {
	err := s.drain(ctx, func(c *conn) error {
		change, err := c.nextChange()
		for i := range routes {
			if err == nil {
				err = c.writeStatus(facility, &routes[i], change)
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("write route status: %w", err)
	}
	return nil
}

func (c *conn) writeStatus(facility int32, r *store.RouteStatus, change int64) error {
	dropped := []byte("{}")
	if len(r.Account.Dropped) > 0 {
		var err error
		if dropped, err = json.Marshal(r.Account.Dropped); err != nil {
			return err
		}
	}
	_, err := c.exec(`INSERT OR REPLACE INTO route_status (facility_id, route, received, stored, duplicate, dead, dropped, queued, batches,
			bytes, oldest_age, rate, halted, halted_since, updated_at, changed)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		facility, store.Text(r.Queue), r.Account.Received, r.Account.Stored, r.Account.Duplicate, r.Account.Dead, string(dropped),
		r.Queued(), r.Batches, r.Bytes, r.OldestAge.Seconds(), r.Rate, store.Text(r.Halted), micros(r.HaltedSince), time.Now().UnixMicro(), change)
	return err
}
