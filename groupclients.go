package sluice

// groupClients are the connections that have a share in the group being built. Its
// memory is reused from group to group. One goroutine owns it.
type groupClients struct {
	list  []GroupClient
	index map[connectionOf]int // place in list
	last  int                  // what one read brought of a client comes together
}

type connectionOf struct {
	client string
	number int64
}

func (c *groupClients) reset() {
	c.list, c.last = c.list[:0], 0
	clear(c.index)
}

// of returns the share of the connection that sent d, valid until the next call.
func (c *groupClients) of(d *Delivery) *GroupClient {
	key := connectionOf{d.Client, d.Connection}
	if c.last < len(c.list) && c.list[c.last].Connection == key.number && c.list[c.last].Client == key.client {
		return &c.list[c.last]
	}
	i, known := c.index[key]
	if !known {
		i = len(c.list)
		c.index[key] = i
		c.add(key)
	}
	c.last = i
	return &c.list[i]
}

// add appends a share, in the memory of an earlier group where there is some.
func (c *groupClients) add(key connectionOf) {
	n := len(c.list)
	if n == cap(c.list) {
		c.list = append(c.list, GroupClient{})
	} else {
		c.list = c.list[:n+1]
	}
	one := &c.list[n]
	*one = GroupClient{Client: key.client, Connection: key.number, Delivered: one.Delivered[:0]}
}

// end notes that a last will that is no move ends its connection; nothing for other
// deliveries.
func (gr *grouper) end(d *Delivery) {
	if d.Will && d.Client != "" {
		gr.clients.of(d).Ended = true
	}
}

// stale builds the group again without what came on connections that are not their
// clients' newest, and marks that in ds. What came at QoS 0 stays: nobody sends it
// again. false: there was nothing to leave out, so to append it again is no use.
func (gr *grouper) stale(ds []Delivery, e *StaleClientsError) (less bool) {
	old := make(map[connectionOf]bool, len(e.Clients))
	for _, i := range e.Clients {
		c := &gr.group.Clients[i]
		old[connectionOf{c.Client, c.Connection}] = true
	}
	for i := range ds {
		d := &ds[i]
		if !d.Stale && d.Client != "" && (d.QoS > 0 || d.Will) && old[connectionOf{d.Client, d.Connection}] {
			d.Stale, less = true, true
		}
	}
	if gr.presence != nil {
		gr.presence.forget(&gr.group)
	}
	gr.again = true
	gr.fill(ds)
	gr.again = false
	return less
}
