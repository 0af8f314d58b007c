package roster

import (
	"time"

	"sluice"
)

// Client is a client of a front door. Will is kept when it is done, so that its device
// is known.
type Client struct {
	Session       string             `json:"session,omitempty"`
	Connection    int64              `json:"connection,omitempty"`
	Connected     int64              `json:"connected,omitempty"`
	Expires       int64              `json:"expires,omitempty"` // 0 while it is connected
	Keep          time.Duration      `json:"keep,omitempty"`    // of its session beyond the connection
	Will          *sluice.ClientWill `json:"will,omitempty"`
	Done          bool               `json:"done,omitempty"` // the will
	Subscriptions []byte             `json:"subscriptions,omitempty"`
}

// unfinished is the will that is still to be dealt with, nil for none.
func (c *Client) unfinished() *sluice.ClientWill {
	if c == nil || c.Done {
		return nil
	}
	return c.Will
}

// end ends the connection, if it has not ended, and its will.
func (c *Client) end(now int64) {
	if c.Expires == 0 {
		c.Expires = now + c.Keep.Microseconds()
	}
	c.Done = true
}

// resumes tells whether a CONNECT without a clean start goes on with the session.
func (c *Client) resumes(now int64) bool {
	if c.Expires == 0 {
		return c.Keep > 0
	}
	return c.Expires > now
}

func (c *Client) describe(name string) sluice.Client {
	out := sluice.Client{Name: name, Session: c.Session, Connection: c.Connection, Connected: c.Connected, Expires: c.Expires}
	if w := c.unfinished(); w != nil {
		copied := *w
		out.Will = &copied
	}
	return out
}

// newest returns the client if the connection is its newest, else nil. It must not be
// changed.
func (r *Roster) newest(client string, connection int64) *Client {
	c := r.Clients.Get(client)
	if c == nil || c.Connection != connection {
		return nil
	}
	return c
}

// stale refuses a group with connections that are not their clients' newest.
func (r *Roster) stale(clients []sluice.GroupClient) error {
	var stale []int
	for i := range clients {
		if r.newest(clients[i].Client, clients[i].Connection) == nil {
			stale = append(stale, i)
		}
	}
	if len(stale) > 0 {
		return &sluice.StaleClientsError{Clients: stale}
	}
	return nil
}

// skips returns the moves of a group that are wills not to be made.
func (r *Roster) skips(g *sluice.Group) map[int]bool {
	var skipped map[int]bool
	var done map[int64]bool
	for i := range g.Moves {
		m := &g.Moves[i]
		if m.Client == "" {
			continue
		}
		if done == nil {
			skipped, done = map[int]bool{}, ended(g.Clients)
		}
		if r.newest(m.Client, m.Connection).unfinished() == nil || done[m.Connection] {
			skipped[i] = true
		}
		done[m.Connection] = true
	}
	return skipped
}

func ended(clients []sluice.GroupClient) map[int64]bool {
	done := map[int64]bool{}
	for i := range clients {
		done[clients[i].Connection] = clients[i].Ended
	}
	return done
}

// finishWill ends the connection of a will; false: it is not to be made.
func (r *Roster) finishWill(client string, connection, now int64) bool {
	if r.newest(client, connection).unfinished() == nil {
		return false
	}
	r.Clients.Edit(client).end(now)
	return true
}

// deliver takes in what a group brought of its clients.
func (r *Roster) deliver(clients []sluice.GroupClient, now int64) {
	for i := range clients {
		c := &clients[i]
		r.ClientDelivered.Add(c.Client, c.Delivered, sluice.ClientDelivered)
		if c.Ended {
			r.Clients.Edit(c.Client).end(now)
		}
	}
}

// SubscribeClient is that of sluice.ClientStore for a session whose lease holds.
func (r *Roster) SubscribeClient(client string, connection int64, subscriptions []byte) error {
	c := r.newest(client, connection)
	if c == nil || c.Expires != 0 {
		return sluice.ErrLost
	}
	r.Clients.Edit(client).Subscriptions = append([]byte{}, subscriptions...)
	return nil
}

// Disconnect is that of sluice.ClientStore for a session whose lease holds.
func (r *Roster) Disconnect(client string, connection int64, keep time.Duration, will bool, now int64) {
	if r.newest(client, connection) == nil {
		return
	}
	c := r.Clients.Edit(client)
	if c.Expires == 0 {
		c.Keep, c.Expires = keep, now+keep.Microseconds()
	}
	if !will && !c.Done {
		c.Will = nil
	}
}

// PruneClients is that of sluice.ClientStore.
func (r *Roster) PruneClients(cursor string, now int64) (next string, removed int) {
	names, next := r.Clients.Page(cursor, r.Pages.Clients)
	for _, name := range names {
		c := r.Clients.Get(name)
		if c.Expires != 0 && c.Expires+sluice.ClientKept.Microseconds() <= now && c.unfinished() == nil {
			r.Clients.Remove(name)
			r.ClientDelivered.Clear(name)
			removed++
		}
	}
	return next, removed
}

// ListClients is Clients of sluice.ClientStore.
func (r *Roster) ListClients(cursor string) (page []sluice.Client, next string) {
	names, next := r.Clients.Page(cursor, r.Pages.Clients)
	for _, name := range names {
		page = append(page, r.Clients.Get(name).describe(name))
	}
	return page, next
}
