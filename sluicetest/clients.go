package sluicetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sluice"
)

var _ sluice.ClientStore = (*Queue)(nil)

// clientPage is small, so that callers are tested with more than one.
const clientPage = 50

// EnterDoor implements sluice.ClientStore.
func (q *Queue) EnterDoor(ctx context.Context, l sluice.Lease) error {
	return q.withLease(ctx, l, func(s *session) { s.door = true })
}

// Doors implements sluice.ClientStore.
func (q *Queue) Doors(ctx context.Context) (doors []sluice.DoorSession, err error) {
	err = q.locked(ctx, func() {
		for name, s := range q.sessions {
			if s.door {
				doors = append(doors, sluice.DoorSession{
					Session: name, Token: s.token, Expires: s.until.UnixMicro(), Expired: s.token == "" || !q.now().Before(s.until),
				})
			}
		}
	})
	return doors, err
}

// Connect implements sluice.ClientStore.
func (q *Queue) Connect(ctx context.Context, l sluice.Lease, r sluice.ConnectRequest) (c sluice.Connected, err error) {
	if len(r.Client) == 0 || len(r.Client) > sluice.MaxClientID {
		return c, fmt.Errorf("a client's name of %d bytes", len(r.Client))
	}
	if r.Will != nil && !sluice.ValidName(r.Will.Device) {
		return c, fmt.Errorf("device %q of a will: %s", r.Will.Device, sluice.NameRule)
	}
	limit := error(nil)
	err = q.withLease(ctx, l, func(*session) {
		if r.MaxClients > 0 && q.registry.clients[r.Client] == nil && len(q.registry.clients) >= r.MaxClients {
			limit = sluice.ErrClientLimit
			return
		}
		c = q.connect(l.Session, r)
	})
	if err == nil {
		err = limit
	}
	return c, err
}

func (q *Queue) connect(session string, r sluice.ConnectRequest) (c sluice.Connected) {
	now, old := q.now(), q.registry.clients[r.Client]
	c.Resumed = old != nil && !r.CleanStart && old.resumes(now)
	q.reappear(old, c.Resumed, r)
	q.registry.connections++
	c.Connection = q.registry.connections
	m := &member{name: r.Client, session: session, connection: c.Connection, connected: now, keep: r.Expiry}
	if r.Will != nil {
		copied := *r.Will
		m.will = &copied
	}
	if old != nil && old.expires.IsZero() {
		c.Previous = old.session
		if old.session != session {
			q.registry.send(sluice.Broadcast{Client: r.Client, Connection: c.Connection})
		}
	}
	if c.Resumed {
		m.subscriptions, m.delivered = old.subscriptions, old.delivered
		c.Subscriptions, c.Delivered = slices.Clone(old.subscriptions), slices.Clone(old.delivered)
	}
	q.registry.clients[r.Client] = m
	return c
}

// reappear deals with the devices of the client's old and new will.
func (q *Queue) reappear(old *member, resumed bool, r sluice.ConnectRequest) {
	names := map[string]bool{}
	if r.Will != nil {
		names[r.Will.Device] = true
	}
	t := &tidings{scene: q.known.scene()}
	if w := old.unfinished(); w != nil && !resumed && !names[w.Device] {
		q.orphan(t, *w, r.At, r.Grace, r.Presence.MaxDevices)
	} else if old != nil && old.will != nil {
		names[old.will.Device] = true
	}
	for name := range names {
		q.await(t, name, r.At, r.Grace)
	}
	q.tell(t, false)
}

// orphan applies the will of a connection that ended with its replica.
func (q *Queue) orphan(t *tidings, w sluice.ClientWill, at int64, grace time.Duration, limit int) {
	d := q.known.devices[w.Device]
	if d == nil && limit > 0 && len(q.known.devices) >= limit {
		return
	}
	d = q.known.device(w.Device)
	if d.Orphan(at, at+max(w.Delay, grace.Microseconds()), t.scene) == sluice.Changed {
		t.changed(d, at+t.scene.Offset)
	}
}

func (q *Queue) await(t *tidings, device string, at int64, grace time.Duration) {
	if d := q.known.devices[device]; d != nil && d.Await(at, at+grace.Microseconds()) == sluice.Changed {
		t.changed(d, at+t.scene.Offset)
	}
}

// SubscribeClient implements sluice.ClientStore.
func (q *Queue) SubscribeClient(ctx context.Context, l sluice.Lease, client string, connection int64, subscriptions []byte) error {
	if len(subscriptions) > sluice.MaxSubscriptions {
		return fmt.Errorf("subscriptions of %d bytes", len(subscriptions))
	}
	lost := error(nil)
	err := q.withLease(ctx, l, func(*session) {
		m := q.registry.newest(client, connection)
		if m == nil || !m.expires.IsZero() {
			lost = sluice.ErrLost
			return
		}
		m.subscriptions = slices.Clone(subscriptions)
	})
	if err == nil {
		err = lost
	}
	return err
}

// Disconnect implements sluice.ClientStore.
func (q *Queue) Disconnect(ctx context.Context, l sluice.Lease, client string, connection int64, keep time.Duration, will bool) error {
	return q.withLease(ctx, l, func(*session) {
		m := q.registry.newest(client, connection)
		if m == nil {
			return
		}
		if m.expires.IsZero() {
			m.keep = keep
			m.expires = q.now().Add(keep)
		}
		if !will && !m.done {
			m.will = nil
		}
	})
}

// Inherit implements sluice.ClientStore.
func (q *Queue) Inherit(ctx context.Context, l sluice.Lease, r sluice.InheritRequest, cursor string) (next string, result sluice.Inherited, err error) {
	held := error(nil)
	err = q.withLease(ctx, l, func(own *session) {
		s := q.sessions[r.Session]
		if s == nil || !s.door {
			return
		}
		if s == own || s.token != "" && (s.token != r.Token || q.now().Before(s.until) || cursor != "") {
			held = sluice.ErrHeld
			return
		}
		s.token = ""
		next, result = q.inherit(r, cursor)
		if next == "" {
			delete(q.sessions, r.Session)
		}
	})
	if err == nil {
		err = held
	}
	return next, result, err
}

func (q *Queue) inherit(r sluice.InheritRequest, cursor string) (next string, result sluice.Inherited) {
	t := &tidings{scene: q.known.scene()}
	page, next := q.registry.page(cursor, clientPage)
	for _, m := range page {
		if m.session != r.Session {
			continue
		}
		if w := m.unfinished(); w != nil {
			q.orphan(t, *w, r.Now, r.Grace, r.Presence.MaxDevices)
			result.Wills++
		} else if m.will != nil {
			q.await(t, m.will.Device, r.Now, r.Grace)
		}
		if m.expires.IsZero() {
			result.Clients++
		}
		m.end(q.now())
	}
	result.Receipt = q.tell(t, false)
	return next, result
}

// PruneClients implements sluice.ClientStore.
func (q *Queue) PruneClients(ctx context.Context, cursor string) (next string, removed int, err error) {
	err = q.locked(ctx, func() {
		var page []*member
		page, next = q.registry.page(cursor, clientPage)
		for _, m := range page {
			if !m.expires.IsZero() && !m.expires.Add(sluice.ClientKept).After(q.now()) && m.unfinished() == nil {
				delete(q.registry.clients, m.name)
				removed++
			}
		}
	})
	return next, removed, err
}

// Clients implements sluice.ClientStore.
func (q *Queue) Clients(ctx context.Context, cursor string) (page []sluice.Client, next string, err error) {
	err = q.locked(ctx, func() {
		var members []*member
		members, next = q.registry.page(cursor, clientPage)
		for _, m := range members {
			page = append(page, m.describe())
		}
	})
	return page, next, err
}

// CountClients implements sluice.ClientStore.
func (q *Queue) CountClients(ctx context.Context) (n int, err error) {
	err = q.locked(ctx, func() { n = len(q.registry.clients) })
	return n, err
}
