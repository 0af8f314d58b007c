package liteq

import (
	"context"
	"fmt"
	"time"

	"sluice"
	"sluice/internal/roster"
)

// EnterDoor implements sluice.ClientStore.
func (q *Queue) EnterDoor(ctx context.Context, l sluice.Lease) error {
	return q.step(ctx, func(int64) error { return q.roster.EnterDoor(l) })
}

// Doors implements sluice.ClientStore.
func (q *Queue) Doors(ctx context.Context) (doors []sluice.DoorSession, err error) {
	err = q.step(ctx, func(now int64) error {
		doors = q.roster.Doors(now)
		return nil
	})
	return doors, err
}

// Connect implements sluice.ClientStore.
func (q *Queue) Connect(ctx context.Context, l sluice.Lease, r sluice.ConnectRequest) (c sluice.Connected, err error) {
	if err := roster.CheckConnect(r); err != nil {
		return c, err
	}
	moved := false
	err = q.joinLeased(ctx, l, func(now int64) (err error) {
		var t *roster.Tidings
		if c, t, moved, err = q.roster.Connect(l.Session, r, now); err != nil {
			return err
		}
		_, err = q.tell(t, false, now)
		return err
	})
	if err != nil {
		return sluice.Connected{}, err
	}
	if moved {
		q.heard.send(sluice.Broadcast{Client: r.Client, Connection: c.Connection})
	}
	return c, nil
}

// SubscribeClient implements sluice.ClientStore.
func (q *Queue) SubscribeClient(ctx context.Context, l sluice.Lease, client string, connection int64, subscriptions []byte) error {
	if len(subscriptions) > sluice.MaxSubscriptions {
		return fmt.Errorf("subscriptions of %d bytes", len(subscriptions))
	}
	return q.joinLeased(ctx, l, func(int64) error { return q.roster.SubscribeClient(client, connection, subscriptions) })
}

// Disconnect implements sluice.ClientStore.
func (q *Queue) Disconnect(ctx context.Context, l sluice.Lease, client string, connection int64, keep time.Duration, will bool) error {
	return q.joinLeased(ctx, l, func(now int64) error {
		q.roster.Disconnect(client, connection, keep, will, now)
		return nil
	})
}

// Inherit implements sluice.ClientStore.
func (q *Queue) Inherit(ctx context.Context, l sluice.Lease, r sluice.InheritRequest, cursor string) (next string, result sluice.Inherited, err error) {
	err = q.leased(ctx, l, func(now int64) (err error) {
		var t *roster.Tidings
		if next, result, t, err = q.roster.Inherit(l.Session, r, cursor, now); err != nil || t == nil {
			return err
		}
		result.Receipt, err = q.tell(t, false, now)
		return err
	})
	if err != nil {
		return "", sluice.Inherited{}, err
	}
	return next, result, nil
}

// PruneClients implements sluice.ClientStore.
func (q *Queue) PruneClients(ctx context.Context, cursor string) (next string, removed int, err error) {
	err = q.step(ctx, func(now int64) error {
		next, removed = q.roster.PruneClients(cursor, now)
		return nil
	})
	return next, removed, err
}

// Clients implements sluice.ClientStore.
func (q *Queue) Clients(ctx context.Context, cursor string) (page []sluice.Client, next string, err error) {
	err = q.step(ctx, func(int64) error {
		page, next = q.roster.ListClients(cursor)
		return nil
	})
	return page, next, err
}

// CountClients implements sluice.ClientStore.
func (q *Queue) CountClients(ctx context.Context) (n int, err error) {
	err = q.step(ctx, func(int64) error {
		n = q.roster.Clients.Len()
		return nil
	})
	return n, err
}
