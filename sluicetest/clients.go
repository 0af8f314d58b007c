package sluicetest

import (
	"context"
	"fmt"
	"time"

	"sluice"
	"sluice/internal/roster"
)

// EnterDoor implements sluice.ClientStore.
func (q *Queue) EnterDoor(ctx context.Context, l sluice.Lease) error {
	return q.try(ctx, func() error { return q.roster.EnterDoor(l) })
}

// Doors implements sluice.ClientStore.
func (q *Queue) Doors(ctx context.Context) (doors []sluice.DoorSession, err error) {
	err = q.step(ctx, func() { doors = q.roster.Doors(q.micros()) })
	return doors, err
}

// Connect implements sluice.ClientStore.
func (q *Queue) Connect(ctx context.Context, l sluice.Lease, r sluice.ConnectRequest) (c sluice.Connected, err error) {
	if err := roster.CheckConnect(r); err != nil {
		return c, err
	}
	err = q.leased(ctx, l, func() error {
		connected, t, moved, err := q.roster.Connect(l.Session, r, q.micros())
		if err != nil {
			return err
		}
		q.tell(t, false)
		if moved {
			q.send(sluice.Broadcast{Client: r.Client, Connection: connected.Connection})
		}
		c = connected
		return nil
	})
	return c, err
}

// SubscribeClient implements sluice.ClientStore.
func (q *Queue) SubscribeClient(ctx context.Context, l sluice.Lease, client string, connection int64, subscriptions []byte) error {
	if len(subscriptions) > sluice.MaxSubscriptions {
		return fmt.Errorf("subscriptions of %d bytes", len(subscriptions))
	}
	return q.leased(ctx, l, func() error { return q.roster.SubscribeClient(client, connection, subscriptions) })
}

// Disconnect implements sluice.ClientStore.
func (q *Queue) Disconnect(ctx context.Context, l sluice.Lease, client string, connection int64, keep time.Duration, will bool) error {
	return q.leased(ctx, l, func() error {
		q.roster.Disconnect(client, connection, keep, will, q.micros())
		return nil
	})
}

// Inherit implements sluice.ClientStore.
func (q *Queue) Inherit(ctx context.Context, l sluice.Lease, r sluice.InheritRequest, cursor string) (next string, result sluice.Inherited, err error) {
	err = q.leased(ctx, l, func() error {
		var t *roster.Tidings
		next, result, t, err = q.roster.Inherit(l.Session, r, cursor, q.micros())
		if t != nil {
			result.Receipt = q.tell(t, false)
		}
		return err
	})
	return next, result, err
}

// PruneClients implements sluice.ClientStore.
func (q *Queue) PruneClients(ctx context.Context, cursor string) (next string, removed int, err error) {
	err = q.step(ctx, func() { next, removed = q.roster.PruneClients(cursor, q.micros()) })
	return next, removed, err
}

// Clients implements sluice.ClientStore.
func (q *Queue) Clients(ctx context.Context, cursor string) (page []sluice.Client, next string, err error) {
	err = q.step(ctx, func() { page, next = q.roster.ListClients(cursor) })
	return page, next, err
}

// CountClients implements sluice.ClientStore.
func (q *Queue) CountClients(ctx context.Context) (n int, err error) {
	err = q.step(ctx, func() { n = q.roster.Clients.Len() })
	return n, err
}
