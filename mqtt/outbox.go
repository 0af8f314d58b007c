package mqtt

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// maxBacklog bounds the PUBACKs that wait in memory, in bytes: four million.
const maxBacklog = 16 << 20

// outbox sends packets in order. What the connection does not take at once
// waits in memory, so that a broker which is slow to read acknowledgements holds
// up nothing else: Mosquitto reads one packet of a plain connection per turn of
// its loop, between those of all publishers, and under full load falls behind by
// hundreds of thousands. Safe for concurrent use.
type outbox struct {
	session *session

	mu       sync.Mutex // guards what follows
	backlog  []byte     // not yet handed to the connection
	draining bool       // a goroutine writes the backlog
	drained  chan struct{}
}

// send writes whole packets, or queues them behind those that wait. It blocks
// only while the backlog is full. An error ends the session.
func (o *outbox) send(b []byte) error {
	s := o.session
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.draining && len(o.backlog) > maxBacklog {
		drained := o.drained
		o.mu.Unlock()
		select {
		case <-drained:
		case <-s.done:
		}
		o.mu.Lock()
		if err := s.cause(); err != nil {
			return err
		}
	}
	if err := s.cause(); err != nil {
		return err
	}
	if !o.draining {
		n, err := s.conn.try(b)
		if err != nil {
			return o.broken(err)
		}
		if n > 0 {
			s.writes.Add(1)
		}
		b = b[n:]
	}
	if len(b) == 0 {
		return nil
	}
	o.backlog = append(o.backlog, b...)
	if !o.draining {
		o.draining, o.drained = true, make(chan struct{})
		s.wg.Go(o.drain)
	}
	return nil
}

// drain writes the backlog until it is empty or the session has ended.
func (o *outbox) drain() {
	var writing []byte
	for {
		o.mu.Lock()
		close(o.drained)
		ended := o.session.cause() != nil
		if ended || len(o.backlog) == 0 {
			// What is left may begin within a packet: then nothing may follow it on
			// the connection, also no DISCONNECT.
			o.draining = len(o.backlog) > 0
			o.mu.Unlock()
			return
		}
		o.drained = make(chan struct{})
		writing, o.backlog = o.backlog, writing[:0]
		o.mu.Unlock()
		if o.write(writing) != nil {
			return
		}
	}
}

// write waits for the connection to take b. A broker that takes nothing for
// writeTimeout is given up, unless it sends meanwhile.
func (o *outbox) write(b []byte) error {
	s := o.session
	defer s.conn.SetWriteDeadline(time.Time{}) //nolint:errcheck // one that has passed would fail the next try
	for len(b) > 0 {
		reads := s.reads.Load()
		s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)) //nolint:errcheck // fails only as the write will
		n, err := s.conn.Write(b)
		b = b[n:]
		if n > 0 {
			s.writes.Add(1)
		}
		if err != nil && (!errors.Is(err, os.ErrDeadlineExceeded) || s.conn.records != nil || n == 0 && s.reads.Load() == reads) {
			return o.broken(err)
		}
	}
	return nil
}

func (o *outbox) broken(err error) error {
	o.session.fail(fmt.Errorf("mqtt: write to broker: %w", err))
	return o.session.cause()
}

// behind tells whether packets wait for the connection.
func (o *outbox) behind() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.draining
}

// last sends b behind everything that waits, within d; the session is over.
func (o *outbox) last(b []byte, d time.Duration) {
	if o.behind() { // the broker is slow, and its session stays without this too
		return
	}
	o.session.conn.SetWriteDeadline(time.Now().Add(d)) //nolint:errcheck // fails only as the write will
	o.session.conn.Write(b)                            //nolint:errcheck // the session ends either way
}
