package hostiletest

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// attacks are floods; each tells what it did.
var attacks = []struct {
	name string
	run  func(*attacker) string
}{
	{"nothing", (*attacker).rest},
	{"messages that are denied", (*attacker).floodDenied},
	{"connects", (*attacker).floodConnects},
	{"half-open connections", (*attacker).holdHalfOpen},
}

// rest is what the floods are compared with.
func (a *attacker) rest() string {
	a.goesOn(50)
	return ""
}

// floodDenied publishes on the topic of another as fast as it is answered.
func (a *attacker) floodDenied() string {
	const burst = 500 // less than the answers that a client keeps
	c, n := a.enter(), sizes().denied
	for range n / burst {
		var b []byte
		for id := range uint16(burst) {
			p := publication{topic: "data/sensor/" + quiet, payload: reading(quiet, int(id)), qos: 1, id: id + 1}
			b = append(b, p.packet(a.version)...)
		}
		must(a, c.send(b))
		for range burst {
			_, err := c.answer(0x40)
			must(a, err)
		}
	}
	c.leave()
	return fmt.Sprintf("%d messages", n)
}

// floodConnects connects as itself as fast as it can: each connection ends the one
// before, and its last will is its own.
func (a *attacker) floodConnects() string {
	const workers = 8
	var left, in, out atomic.Int64
	left.Store(int64(sizes().connects))
	h := a.as(evil, a.version)
	h.will = &will{topic: "lwt/" + evil, payload: willMessage(evil), qos: 1}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				c, err := a.dial(evil)
				if err != nil {
					out.Add(1)
					continue
				}
				if code, err := c.greet(h); err != nil || code != 0 {
					out.Add(1)
				} else {
					in.Add(1)
				}
				c.reset()
			}
		})
	}
	wg.Wait()
	if in.Load() == 0 {
		a.Errorf("%v: not one connect of a flood was taken", a)
	}
	return fmt.Sprintf("%d connects, %d more were not taken", in.Load(), out.Load())
}

// holdHalfOpen opens connections, of which every other begins the handshake, and holds
// them while the others go on, and while a new device comes.
func (a *attacker) holdHalfOpen() string {
	var held []net.Conn
	defer func() {
		for _, c := range held {
			c.Close()
		}
	}()
	for i := range sizes().halfOpen {
		c, err := a.tcp()
		must(a, err)
		held = append(held, c)
		if i%2 == 0 {
			_, _ = c.Write([]byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03}) // of 517 bytes
		}
	}
	a.goesOn(50)
	began := time.Now()
	c := a.login(a.as(late, a.version), nil)
	code, err := c.publish("connect/"+late, connectMessage(late))
	a.succeeds("a new device", code, err)
	c.leave()
	return fmt.Sprintf("%d connections; a new device came in within %v", len(held), time.Since(began).Round(time.Millisecond))
}
