package doortest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"sluice/gen/msg"
)

// crowd is thousands of devices that cost next to nothing: between two pings each is
// a socket and no goroutine. Its methods are for the test's own goroutine.
type crowd struct {
	t         testing.TB
	address   string
	addresses int // from so many of this machine
	members   []*member
	retries   atomic.Int64
}

// member is a device that connects and pings.
type member struct {
	name  string
	hello []byte // CONNECT with a last will
	ready []byte // the message that it is there
	conn  *raw
}

func newCrowd(t testing.TB, address string, x scale) *crowd {
	t.Helper()
	c := &crowd{t: t, address: address, addresses: x.addresses, members: make([]*member, x.devices)}
	for i := range c.members {
		name := fmt.Sprintf("idle-%05d", i)
		will, err := proto.Marshal(&msg.LWT{Device: name, Delay: int64(x.delay / time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		ready, err := proto.Marshal(&msg.Connect{Device: name})
		if err != nil {
			t.Fatal(err)
		}
		c.members[i] = &member{
			name: name, hello: rawConnect(name, &rawWill{"lwt/" + name, will}), ready: rawPublish("connect/"+name, 1, ready),
		}
	}
	t.Cleanup(c.cut)
	return c
}

// entry is how long it took a crowd to be back: all have their CONNACK, and all have
// the PUBACK of the message that they are there.
type entry struct{ connected, announced time.Duration }

// enter connects members, all at once.
func (c *crowd) enter(members []*member) entry {
	c.t.Helper()
	began := time.Now()
	var connected, announced atomic.Int64
	var wg sync.WaitGroup
	for i, m := range members {
		wg.Go(func() {
			for !c.enterOne(i, m, began, &connected) {
				c.retries.Add(1)
				pass(c.t, time.Second+rand.N(time.Second)) // as devices do
				if c.t.Context().Err() != nil || time.Since(began) > patience {
					c.t.Errorf("%s is not in after %v", m.name, time.Since(began))
					return
				}
			}
			raise(&announced, time.Since(began))
		})
	}
	wg.Wait()
	return entry{time.Duration(connected.Load()), time.Duration(announced.Load())}
}

// enterOne connects a member; false: it must try again.
func (c *crowd) enterOne(i int, m *member, began time.Time, connected *atomic.Int64) bool {
	conn, err := dialFrom(2+i%c.addresses, c.address)
	if err != nil {
		return false
	}
	if err = conn.ask(m.hello, rawConnack...); err == nil {
		raise(connected, time.Since(began))
		err = conn.ask(m.ready, rawPuback(1)...)
	}
	if err != nil {
		conn.Close()
		return false
	}
	m.conn = conn
	return true
}

// raise keeps the largest.
func raise(most *atomic.Int64, d time.Duration) {
	for {
		old := most.Load()
		if int64(d) <= old || most.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

// idle has the members ping, each once in a keepalive and evenly spread, for a while.
func (c *crowd) idle(d time.Duration) (pings int) {
	c.t.Helper()
	const step = 50 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < d; <-tick.C {
		due := int(time.Since(began) * time.Duration(len(c.members)) / rawKeepAlive)
		for ; pings < due; pings++ {
			m := c.members[pings%len(c.members)]
			if err := m.conn.ask([]byte{0xc0, 0}, 0xd0, 0); err != nil {
				c.t.Fatalf("%s lost its connection while it was idle: %v", m.name, err)
			}
		}
	}
	return pings
}

// cut ends all connections without a DISCONNECT, by a reset: their ports are free again.
func (c *crowd) cut() {
	for _, m := range c.members {
		if m.conn != nil {
			_ = m.conn.reset()
			m.conn.Close()
			m.conn = nil
		}
	}
}
