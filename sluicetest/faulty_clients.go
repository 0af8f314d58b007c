package sluicetest

import (
	"context"
	"time"

	"sluice"
)

// clients is the wrapped queue as a sluice.ClientStore; the methods below panic when
// it is none.
func (f *FaultyQueue) clients() sluice.ClientStore { return f.queue.(sluice.ClientStore) }

// EnterDoor implements sluice.ClientStore.
func (f *FaultyQueue) EnterDoor(ctx context.Context, l sluice.Lease) error {
	return f.run(ctx, "EnterDoor", func() error { return f.clients().EnterDoor(ctx, l) })
}

// Doors implements sluice.ClientStore.
func (f *FaultyQueue) Doors(ctx context.Context) ([]sluice.DoorSession, error) {
	return do(ctx, f, "Doors", func() ([]sluice.DoorSession, error) { return f.clients().Doors(ctx) })
}

// Connect implements sluice.ClientStore.
func (f *FaultyQueue) Connect(ctx context.Context, l sluice.Lease, r sluice.ConnectRequest) (sluice.Connected, error) {
	return do(ctx, f, "Connect", func() (sluice.Connected, error) { return f.clients().Connect(ctx, l, r) })
}

// SubscribeClient implements sluice.ClientStore.
func (f *FaultyQueue) SubscribeClient(ctx context.Context, l sluice.Lease, client string, connection int64, subscriptions []byte) error {
	return f.run(ctx, "SubscribeClient", func() error {
		return f.clients().SubscribeClient(ctx, l, client, connection, subscriptions)
	})
}

// Disconnect implements sluice.ClientStore.
func (f *FaultyQueue) Disconnect(ctx context.Context, l sluice.Lease, client string, connection int64, keep time.Duration, will bool) error {
	return f.run(ctx, "Disconnect", func() error { return f.clients().Disconnect(ctx, l, client, connection, keep, will) })
}

// Inherit implements sluice.ClientStore.
func (f *FaultyQueue) Inherit(ctx context.Context, l sluice.Lease, r sluice.InheritRequest, cursor string) (string, sluice.Inherited, error) {
	type answer struct {
		next   string
		result sluice.Inherited
	}
	a, err := do(ctx, f, "Inherit", func() (a answer, err error) {
		a.next, a.result, err = f.clients().Inherit(ctx, l, r, cursor)
		return a, err
	})
	return a.next, a.result, err
}

// PruneClients implements sluice.ClientStore.
func (f *FaultyQueue) PruneClients(ctx context.Context, cursor string) (string, int, error) {
	type answer struct {
		next    string
		removed int
	}
	a, err := do(ctx, f, "PruneClients", func() (a answer, err error) {
		a.next, a.removed, err = f.clients().PruneClients(ctx, cursor)
		return a, err
	})
	return a.next, a.removed, err
}

// Clients implements sluice.ClientStore.
func (f *FaultyQueue) Clients(ctx context.Context, cursor string) ([]sluice.Client, string, error) {
	type answer struct {
		page []sluice.Client
		next string
	}
	a, err := do(ctx, f, "Clients", func() (a answer, err error) {
		a.page, a.next, err = f.clients().Clients(ctx, cursor)
		return a, err
	})
	return a.page, a.next, err
}

// CountClients implements sluice.ClientStore.
func (f *FaultyQueue) CountClients(ctx context.Context) (int, error) {
	return do(ctx, f, "CountClients", func() (int, error) { return f.clients().CountClients(ctx) })
}

// Broadcast implements sluice.ClientStore.
func (f *FaultyQueue) Broadcast(ctx context.Context, b sluice.Broadcast) error {
	return f.run(ctx, "Broadcast", func() error { return f.clients().Broadcast(ctx, b) })
}

// Listen implements sluice.ClientStore. It knows Pass and Refuse only, as Watch does.
func (f *FaultyQueue) Listen(ctx context.Context, heard func(sluice.Broadcast)) error {
	if fate, err := f.fate("Listen"); fate != Pass {
		return err
	}
	return f.clients().Listen(ctx, heard)
}
