package server

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"sluice/mqtt/server/wire"
)

const (
	// maxOutput bounds what waits to be written to a client beside a message, in bytes:
	// sixteen thousand PUBACKs. A client that reads nothing for so long is cut.
	maxOutput = 64 << 10
	// idleOutput is what a buffer that is empty may keep, in bytes.
	idleOutput = 512
	// writeTimeout bounds a write that waits for the client.
	writeTimeout = 60 * time.Second
)

// output writes to a client without ever waiting for it: what the connection does not
// take at once a goroutine writes, which lives as long as something waits. Safe for
// concurrent use.
type output struct {
	conn *connection

	mu      sync.Mutex // guards what follows
	buf     []byte     // to be written
	writing bool       // a goroutine writes
	closing bool       // nothing is added any more
	lingers bool       // when closing: the client may read the last word
	queue   *queue     // messages for a subscriber; nil for none
	dirty   bool       // in the list of the Ack that runs
}

// send writes whole packets.
func (o *output) send(b []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closing {
		o.buf = append(o.buf, b...)
		o.flush()
	}
}

// acknowledge adds PUBACKs; first: it is the first time before flushAcks.
func (o *output) acknowledge(rs []receipt) (first bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing {
		return false
	}
	for i := range rs {
		o.buf = wire.AppendPuback(o.buf, o.conn.version, rs[i].id, rs[i].reason)
	}
	first = !o.dirty
	o.dirty = true
	return first
}

// flushAcks writes the PUBACKs that were added.
func (o *output) flushAcks() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dirty = false
	o.flush()
}

// errUnread ends a connection whose client reads nothing.
var errUnread = errors.New("the client does not read what it is sent")

// flush writes what the connection takes; the caller holds the mutex. Who cannot
// write is told by the reader's end of the connection.
func (o *output) flush() {
	if len(o.buf) == 0 || o.writing {
		o.bound()
		return
	}
	n, err := o.conn.stream.tryWrite(o.buf)
	o.wrote(n)
	if err != nil {
		o.lost(fmt.Errorf("write: %w", err))
		return
	}
	if n == len(o.buf) {
		o.empty()
		return
	}
	o.buf = append(o.buf[:0], o.buf[n:]...)
	o.start()
}

// start has a goroutine write; the caller holds the mutex.
func (o *output) start() {
	o.writing = true
	o.conn.session.running.Go(o.drain)
}

// empty lets the buffer go, unless it is small.
func (o *output) empty() {
	if cap(o.buf) > idleOutput {
		o.buf = nil
	}
	o.buf = o.buf[:0]
}

// bound ends the connection when too much waits; the caller holds the mutex.
func (o *output) bound() {
	if len(o.buf) > maxOutput+smallRead+o.conn.session.config.MaxPacket && !o.closing {
		o.lost(errUnread)
	}
}

// lost ends the connection; the caller holds the mutex.
func (o *output) lost(err error) {
	o.buf, o.queue, o.closing = nil, nil, true
	o.conn.over(&cause{endLost, wire.Success, err})
	o.conn.stream.closeNow()
}

func (o *output) wrote(n int) {
	if n > 0 {
		o.conn.session.stats.bytesOut.Add(uint64(n))
	}
}

// drain writes what waits, until nothing does.
func (o *output) drain() {
	for {
		b, patience, last := o.take()
		switch {
		case last:
			o.end()
			return
		case b == nil:
			return
		}
		if err := o.write(b, patience); err != nil {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.lost(fmt.Errorf("write: %w", err))
			return
		}
	}
}

// write waits for the client at most that long.
func (o *output) write(b []byte, patience time.Duration) error {
	st := o.conn.stream
	_ = st.SetWriteDeadline(time.Now().Add(patience)) // fails only as the write will
	n, err := st.Write(b)
	o.wrote(n)
	_ = st.SetWriteDeadline(time.Time{}) // one that has passed would fail the next try
	return err
}

// take takes the buffer. When nothing waits the goroutine is to end, and to close if
// that was the last word.
func (o *output) take() (b []byte, patience time.Duration, last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.buf) == 0 && !o.closing {
		o.refill()
	}
	patience = writeTimeout
	if o.closing {
		patience = lingerTime
	}
	if len(o.buf) == 0 {
		o.writing = false
		return nil, 0, o.closing
	}
	b, o.buf = o.buf, nil
	return b, patience, false
}

// finish writes the last word and ends the sending side.
func (o *output) finish(word []byte, linger bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.close(word, linger)
}

// stop is connection.stop for who holds the mutex.
func (o *output) stop(why *cause) {
	if o.conn.over(why) {
		o.close(o.conn.word(why), true)
	}
}

// close is finish; the caller holds the mutex.
func (o *output) close(word []byte, linger bool) {
	if o.closing {
		o.conn.stream.closeNow()
		return
	}
	o.buf = append(o.buf, word...)
	o.lingers, o.queue = linger, nil
	o.flush()
	o.closing = true
	switch {
	case o.writing:
		_ = o.conn.stream.SetWriteDeadline(time.Now().Add(lingerTime)) // of the write that waits
	case linger && o.conn.stream.ahead != nil:
		o.start() // the farewell of TLS may wait for the client
	default:
		o.end()
	}
}

// end closes the sending side, or all.
func (o *output) end() {
	if o.lingers {
		o.conn.stream.finish()
	} else {
		o.conn.stream.closeNow()
	}
}
