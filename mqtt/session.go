package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"sluice"
)

const (
	// writeTimeout bounds a write: a broker that neither reads nor sends for so
	// long is given up.
	writeTimeout = 10 * time.Second
	// farewellTimeout bounds the DISCONNECT at the end.
	farewellTimeout = time.Second
)

// session is one connection. Two goroutines serve it: the reader moves what
// arrives to the pending slab, whether anybody receives or not, so that the
// broker's answers are always seen; keepAlive probes the connection. Both end
// with done.
type session struct {
	config   Config
	counters *counters
	conn     *stream
	in       *splitter
	subs     []subscription
	ids      []uint32 // subscription identifiers on the wire, by filter; nil: none
	resumed  bool
	accepted bool // CONNACK seen; reader's
	refused  bool // a marker was; reader's

	mu      sync.Mutex // guards what follows; held for the parsing of one read
	pending *slab      // the reader adds
	spare   *slab      // what the last Receive returned
	err     error      // why the session ended

	wake chan struct{} // capacity 1: something is pending
	room chan struct{} // capacity 1: something was acknowledged
	done chan struct{} // closed when the session has ended
	wg   sync.WaitGroup

	out       outbox
	acks      []byte // PUBACKs of one Ack, reused; Ack's
	keepalive time.Duration

	unacked atomic.Int64  // QoS 1 messages received and not acknowledged
	holding atomic.Bool   // the reader does not read until some are
	reads   atomic.Uint64 // reads and writes that succeeded, for keepAlive
	writes  atomic.Uint64
	marks   atomic.Uint32 // markers published
}

var _ sluice.Session = (*session)(nil)

func newSession(c Config, conn *stream, n *counters) *session {
	s := &session{
		config:    c,
		counters:  n,
		conn:      conn,
		in:        newSplitter(c.MaxPayload),
		subs:      c.subscriptions(),
		ids:       identifiers(c.Filters),
		pending:   &slab{},
		spare:     &slab{},
		wake:      make(chan struct{}, 1),
		room:      make(chan struct{}, 1),
		done:      make(chan struct{}),
		keepalive: c.KeepAlive,
	}
	s.out.session = s
	return s
}

// start begins to receive; the handshake is done.
func (s *session) start() {
	s.wg.Go(s.read)
	s.wg.Go(s.keepAlive)
}

// Resumed implements sluice.Session.
func (s *session) Resumed() bool { return s.resumed }

// ReceiveMaximum implements sluice.Session.
func (s *session) ReceiveMaximum() int { return s.config.ReceiveMaximum }

// Receive implements sluice.Session. What arrived before the connection broke
// is handed over before the error; after Close nothing is. Delivery.Subscriptions
// may hold StaleSubscription.
func (s *session) Receive(ctx context.Context) ([]sluice.Delivery, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		ds, err := s.take()
		if len(ds) > 0 || err != nil {
			return ds, err
		}
		select {
		case <-s.wake:
		case <-s.done:
		case <-ctx.Done():
		}
	}
}

// take swaps the slabs: what the last call returned becomes the pending one.
func (s *session) take() ([]sluice.Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending.deliveries) == 0 || errors.Is(s.err, errClosed) {
		return nil, s.err
	}
	s.pending, s.spare = s.spare, s.pending
	s.pending.reset()
	return s.spare.deliveries, nil
}

// errClosed ends a session that Close ended.
var errClosed = fmt.Errorf("mqtt: session closed: %w", net.ErrClosed)

// Close implements sluice.Session. It returns when the session's goroutines are
// gone, at most a second later. Calls after the first do nothing.
func (s *session) Close() error {
	s.finish(errClosed, codeSuccess)
	s.out.behind() // whoever was sending has started its goroutine or sees the end
	s.wg.Wait()
	return nil
}

// fail ends the session without a word to the broker.
func (s *session) fail(err error) {
	if s.over(err) {
		s.conn.closeNow()
	}
}

// finish ends the session with a DISCONNECT of the given code, if the connection
// still carries it.
func (s *session) finish(err error, code byte) {
	if s.over(err) {
		s.farewell(code)
		s.conn.closeNow()
	}
}

// over marks the session as ended; the first cause stays. False: it had ended
// already. Nothing but farewell writes afterwards.
func (s *session) over(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return false
	}
	s.err = err
	close(s.done)
	return true
}

// cause returns why the session has ended.
func (s *session) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// write sends whole packets. An error ends the session.
func (s *session) write(b []byte) error { return s.out.send(b) }

// farewell sends DISCONNECT. The broker keeps the session for its expiry
// interval.
func (s *session) farewell(code byte) {
	s.out.last([]byte{packets.DISCONNECT << 4, 1, code}, farewellTimeout)
}
