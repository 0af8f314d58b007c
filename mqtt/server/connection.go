package server

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"sluice"
	"sluice/mqtt/server/access"
	"sluice/mqtt/server/wire"
)

// connection is one client's. Its goroutine reads and owns every field without a
// remark; others look at it through the atomics.
type connection struct {
	session *session
	stream  *stream
	out     output

	// Of the CONNECT; constant once established.
	version        wire.Version
	client         string
	user           string
	certified      bool   // the user is the certificate's
	generation     uint64 // of the password that the user came in by
	judged         uint64 // generation of the rights; the sweep's once established
	number         int64  // the registry's
	keep           time.Duration
	keepalive      uint32 // ticks without a word after which it is lost
	will           *wire.Will
	packetLimit    int    // of the client
	receiveMaximum uint16 // of the client
	established    atomic.Bool

	rights    atomic.Pointer[access.Rights]
	verdicts  [2]verdict
	delivered []sluice.Delivered // redelivery record of a resumed session
	fresh     int                // QoS 1 messages without DUP since
	subs      subscriptions
	rest      []byte // of a packet that has not arrived whole
	large     bool   // the last read filled its buffer
	letIn     bool   // of the line at the inbox

	// Guarded by the mutex of the inbox.
	cut    bool // nothing more may enter it
	queued bool // in line at it

	inflight atomic.Int32  // QoS 1 messages read and not acknowledged
	heard    atomic.Uint32 // tick of the last read
	held     atomic.Bool   // the server does not read, so the keepalive stands still
	room     chan struct{} // room for one: look again whether you may read

	cause atomic.Pointer[cause]
	done  chan struct{} // closed when there is a cause
}

// ending is how a connection ended.
type ending int

const (
	endRefused  ending = iota // it was never registered
	endFarewell               // the client said DISCONNECT
	endLost                   // anything else while the session lives on: its will applies
	endTaken                  // the client has a newer connection
	endClosed                 // the session ends
)

// cause is why a connection ended.
type cause struct {
	ending ending
	reason wire.Reason // a v5 client is told; Success: nobody is
	err    error       // for the log; nil: nothing to tell
}

func newConnection(s *session, st *stream) *connection {
	c := &connection{session: s, stream: st, room: make(chan struct{}, 1), done: make(chan struct{})}
	c.out.conn = c
	return c
}

// serve is the life of the connection. A mistake in this package that one client
// brings to light must not end the service of all others.
func (c *connection) serve() {
	defer c.session.running.Done()
	defer c.session.leave(c)
	defer c.stream.closeNow()
	defer func() {
		if p := recover(); p != nil {
			c.session.log.Error("connection given up after a panic", "client", c.client, "panic", p, "stack", string(debug.Stack()))
			c.stop(endLost, wire.Unspecified, nil)
			c.end()
		}
	}()
	if err := c.connect(); err != nil {
		c.stop(endRefused, wire.Success, err)
		c.linger()
		return
	}
	c.quit(c.read())
	c.end()
	c.linger()
}

// quit ends the connection because of an error of reading, unless it has ended.
func (c *connection) quit(err error) {
	reason := wire.Success
	if broken, ok := errors.AsType[*wire.Error](err); ok {
		reason = broken.Reason
	}
	if farewell, ok := errors.AsType[*farewellError](err); ok {
		c.stop(farewell.ending, wire.Success, nil)
		return
	}
	c.stop(endLost, reason, err)
}

// stop ends the connection, the first time it is called. Nothing is written behind
// what the client is told. Safe for concurrent use.
func (c *connection) stop(e ending, reason wire.Reason, err error) {
	why := &cause{e, reason, err}
	if c.over(why) {
		c.out.finish(c.word(why), e != endClosed)
	} else if e == endClosed { // it lingers
		c.stream.closeNow()
	}
}

// word is the DISCONNECT that tells a client why, nil for none.
func (c *connection) word(why *cause) []byte {
	if !c.established.Load() || why.reason == wire.Success {
		return nil
	}
	return wire.AppendDisconnect(nil, c.version, wire.Disconnect{
		Reason: why.reason, ReasonString: text(why.err), Limit: uint32(c.packetLimit),
	})
}

// over notes why the connection has ended; false: it had ended already.
func (c *connection) over(why *cause) bool {
	if !c.cause.CompareAndSwap(nil, why) {
		return false
	}
	close(c.done)
	if why.ending == endLost {
		c.session.stats.lost.Add(1)
	}
	return true
}

// text is the reason string for a client.
func text(err error) string {
	if broken, ok := errors.AsType[*wire.Error](err); ok {
		return broken.Error()
	}
	return ""
}

// linger reads on until the client has closed, so that it can read why it was
// disconnected.
func (c *connection) linger() {
	c.report()
	if c.cause.Load().ending == endClosed {
		return
	}
	for {
		if _, err := c.stream.socket.read(&smallBuffers, 0, nil); err != nil {
			return
		}
		c.stream.socket.release()
	}
}

func (c *connection) report() {
	if why := c.cause.Load(); why.err != nil {
		c.session.log.Debug("connection ended", "client", c.client, "address", c.stream.RemoteAddr(), "err", why.err)
	}
}

// signal lets the goroutine look again whether it may read. Safe for concurrent use.
func (c *connection) signal() {
	select {
	case c.room <- struct{}{}:
	default:
	}
}

// farewellError ends reading because of a client's DISCONNECT.
type farewellError struct{ ending ending }

func (e *farewellError) Error() string { return fmt.Sprintf("DISCONNECT, ending %d", e.ending) }
