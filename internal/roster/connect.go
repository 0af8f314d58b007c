package roster

import (
	"fmt"
	"slices"
	"time"

	"sluice"
)

// CheckConnect refuses a CONNECT that breaks a rule of sluice.ClientStore.
func CheckConnect(r sluice.ConnectRequest) error {
	if len(r.Client) == 0 || len(r.Client) > sluice.MaxClientID {
		return fmt.Errorf("a client's name of %d bytes", len(r.Client))
	}
	if r.Will != nil && !sluice.ValidName(r.Will.Device) {
		return fmt.Errorf("device %q of a will: %s", r.Will.Device, sluice.NameRule)
	}
	return nil
}

// Connect is that of sluice.ClientStore for a session whose lease holds. moved: the
// client's older connection, still open, is another session's.
func (r *Roster) Connect(session string, q sluice.ConnectRequest, now int64) (c sluice.Connected, t *Tidings, moved bool, err error) {
	old := r.Clients.Get(q.Client)
	if old == nil && q.MaxClients > 0 && r.Clients.Len() >= q.MaxClients {
		return c, nil, false, sluice.ErrClientLimit
	}
	t = r.tidings()
	c.Resumed = old != nil && !q.CleanStart && old.resumes(now)
	r.reappear(old, c.Resumed, q, t)
	r.Facts.Edit("").Connections++
	c.Connection = r.facts().Connections
	fresh := Client{Session: session, Connection: c.Connection, Connected: now, Keep: q.Expiry}
	if q.Will != nil {
		copied := *q.Will
		fresh.Will = &copied
	}
	if old != nil && old.Expires == 0 {
		c.Previous = old.Session
		moved = old.Session != session
	}
	if c.Resumed {
		fresh.Subscriptions = old.Subscriptions
		c.Subscriptions, c.Delivered = slices.Clone(old.Subscriptions), r.ClientDelivered.Newest(q.Client, sluice.ClientDelivered)
	} else {
		r.ClientDelivered.Clear(q.Client)
	}
	*r.Clients.Put(q.Client) = fresh
	return c, t, moved, nil
}

// reappear deals with the devices of the client's old and new will.
func (r *Roster) reappear(old *Client, resumed bool, q sluice.ConnectRequest, t *Tidings) {
	var here []string
	if q.Will != nil {
		here = append(here, q.Will.Device)
	}
	if w := old.unfinished(); w != nil && !resumed && !slices.Contains(here, w.Device) {
		r.orphan(t, *w, q.At, q.Grace, q.Presence.MaxDevices)
	} else if old != nil && old.Will != nil && !slices.Contains(here, old.Will.Device) {
		here = append(here, old.Will.Device)
	}
	for _, name := range here {
		r.await(t, name, q.At, q.Grace)
	}
}

// orphan applies the will of a connection that ended with its replica.
func (r *Roster) orphan(t *Tidings, w sluice.ClientWill, at int64, grace time.Duration, limit int) {
	if r.Devices.Get(w.Device) == nil && limit > 0 && r.Devices.Len() >= limit {
		return
	}
	change := r.Devices.change(w.Device, func(d *sluice.Device) sluice.Change {
		return d.Orphan(at, at+max(w.Delay, grace.Microseconds()), t.scene)
	})
	if change == sluice.Changed {
		t.changed(r.Devices.Get(w.Device), at+t.scene.Offset)
	}
}

func (r *Roster) await(t *Tidings, device string, at int64, grace time.Duration) {
	if r.Devices.Get(device) == nil {
		return
	}
	change := r.Devices.change(device, func(d *sluice.Device) sluice.Change { return d.Await(at, at+grace.Microseconds()) })
	if change == sluice.Changed {
		t.changed(r.Devices.Get(device), at+t.scene.Offset)
	}
}

// Inherit is that of sluice.ClientStore, for a session whose lease holds, without its
// receipt. t is nil when there is nothing to inherit.
func (r *Roster) Inherit(own string, q sluice.InheritRequest, cursor string, now int64) (next string, result sluice.Inherited, t *Tidings, err error) {
	s := r.Sessions.Get(q.Session)
	if s == nil || !s.Door {
		return "", result, nil, nil
	}
	if q.Session == own || s.Token != "" && (s.Token != q.Token || now < s.Until || cursor != "") {
		return "", result, nil, sluice.ErrHeld
	}
	r.Sessions.Edit(q.Session).Token = ""
	t = r.tidings()
	names, next := r.Clients.Page(cursor, r.Pages.Clients)
	for _, name := range names {
		if r.Clients.Get(name).Session == q.Session {
			r.inheritClient(name, q, t, &result, now)
		}
	}
	if next == "" {
		r.Sessions.Remove(q.Session)
		r.Delivered.Clear(q.Session)
	}
	return next, result, t, nil
}

func (r *Roster) inheritClient(name string, q sluice.InheritRequest, t *Tidings, result *sluice.Inherited, now int64) {
	c := r.Clients.Get(name)
	if w := c.unfinished(); w != nil {
		r.orphan(t, *w, q.Now, q.Grace, q.Presence.MaxDevices)
		result.Wills++
	} else if c.Will != nil {
		r.await(t, c.Will.Device, q.Now, q.Grace)
	}
	if c.Expires == 0 {
		result.Clients++
	}
	if c.Expires == 0 || c.unfinished() != nil {
		r.Clients.Edit(name).end(now)
	}
}
