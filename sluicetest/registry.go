package sluicetest

import (
	"maps"
	"slices"
	"time"

	"sluice"
)

// registry has the clients of a Queue. Guarded by the mutex of Queue.
type registry struct {
	clients     map[string]*member
	connections int64 // ever
	listeners   map[*listener]bool
}

// member is a client. will is kept when it is done, so that its device is known.
type member struct {
	name          string
	session       string
	connection    int64
	connected     time.Time
	expires       time.Time // zero while it is connected
	keep          time.Duration
	will          *sluice.ClientWill
	done          bool // the will
	subscriptions []byte
	delivered     []sluice.Delivered
}

// unfinished is the will that is still to be dealt with, nil for none.
func (m *member) unfinished() *sluice.ClientWill {
	if m == nil || m.done {
		return nil
	}
	return m.will
}

// end ends the connection, if it has not ended, and its will.
func (m *member) end(now time.Time) {
	if m.expires.IsZero() {
		m.expires = now.Add(m.keep)
	}
	m.done = true
}

// resumes tells whether a CONNECT without a clean start goes on with the session.
func (m *member) resumes(now time.Time) bool {
	if m.expires.IsZero() {
		return m.keep > 0
	}
	return m.expires.After(now)
}

func (m *member) describe() sluice.Client {
	c := sluice.Client{Name: m.name, Session: m.session, Connection: m.connection, Connected: m.connected.UnixMicro()}
	if !m.expires.IsZero() {
		c.Expires = m.expires.UnixMicro()
	}
	if w := m.unfinished(); w != nil {
		copied := *w
		c.Will = &copied
	}
	return c
}

// newest returns the client if the connection is its newest, else nil.
func (r *registry) newest(client string, connection int64) *member {
	m := r.clients[client]
	if m == nil || m.connection != connection {
		return nil
	}
	return m
}

// check refuses a group with connections that are not their clients' newest.
func (r *registry) check(clients []sluice.GroupClient) error {
	var stale []int
	for i, c := range clients {
		if r.newest(c.Client, c.Connection) == nil {
			stale = append(stale, i)
		}
	}
	if len(stale) > 0 {
		return &sluice.StaleClientsError{Clients: stale}
	}
	return nil
}

// skips returns the moves of a group that are wills not to be made.
func (r *registry) skips(g *sluice.Group) map[int]bool {
	skipped, done := map[int]bool{}, map[int64]bool{}
	for _, c := range g.Clients {
		done[c.Connection] = c.Ended
	}
	for i, m := range g.Moves {
		if m.Client == "" {
			continue
		}
		if r.newest(m.Client, m.Connection).unfinished() == nil || done[m.Connection] {
			skipped[i] = true
		}
		done[m.Connection] = true
	}
	return skipped
}

// finishWill ends the connection of a will; false: it is not to be made.
func (r *registry) finishWill(client string, connection int64, now time.Time) bool {
	m := r.newest(client, connection)
	if m.unfinished() == nil {
		return false
	}
	m.end(now)
	return true
}

// deliver takes in what a group brought of its clients.
func (r *registry) deliver(clients []sluice.GroupClient, now time.Time) {
	for _, c := range clients {
		m := r.newest(c.Client, c.Connection)
		m.delivered = append(m.delivered, c.Delivered...)
		m.delivered = slices.Clone(m.delivered[max(len(m.delivered)-sluice.ClientDelivered, 0):])
		if c.Ended {
			m.end(now)
		}
	}
}

// page returns up to n clients after a cursor, by name, and the next cursor.
func (r *registry) page(cursor string, n int) (page []*member, next string) {
	names := slices.Sorted(maps.Keys(r.clients))
	from, found := slices.BinarySearch(names, cursor)
	if found {
		from++
	}
	names = names[from:]
	if len(names) > n {
		names, next = names[:n], names[n-1]
	}
	for _, name := range names {
		page = append(page, r.clients[name])
	}
	return page, next
}
