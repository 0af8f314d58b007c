package server

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"sluice"
	"sluice/mqtt/server/access"
	"sluice/mqtt/server/wire"
)

// session is the time during which the door is open, under one lease. Receive and Ack
// belong to one goroutine, the rest is safe for concurrent use.
type session struct {
	server *Server
	config *Config
	stats  *counters
	access *access.Access
	lease  sluice.Lease
	log    *slog.Logger
	inbox  *inbox
	topics topics
	heard  chan sluice.Broadcast
	ticks  atomic.Uint32
	knocks knocks

	ctx     context.Context // ends with the session
	cancel  context.CancelFunc
	done    chan struct{} // closed when it is over
	running sync.WaitGroup
	bound   []net.Listener

	mu      sync.Mutex // guards what follows
	over    bool
	err     error // why
	open    map[*connection]struct{}
	clients map[string]*connection // the newest of each client

	turns [256]sync.Mutex // by hash of the client: its CONNECTs take turns
	seed  maphash.Seed

	// Of Receive and Ack.
	taken   *slab
	acked   int // deliveries of taken
	written int // receipts of taken
	dirty   []*connection
	last    time.Time // of the last Receive that returned
}

var _ sluice.Session = (*session)(nil)

func newSession(s *Server, l sluice.Lease) *session {
	n := &session{
		server: s, config: &s.config, stats: &s.stats, access: s.access, lease: l, log: s.log, inbox: newInbox(s.config.MaxInbox),
		heard: make(chan sluice.Broadcast, heardRoom), done: make(chan struct{}), bound: s.bound,
		open: map[*connection]struct{}{}, clients: map[string]*connection{}, seed: maphash.MakeSeed(),
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n
}

// start begins to accept.
func (s *session) start(bound []net.Listener) {
	s.running.Go(s.sweep)
	s.running.Go(s.listen)
	s.running.Go(s.relay)
	for i, l := range bound {
		if err := restart(l); err != nil {
			s.fail(err)
			return
		}
		s.running.Go(func() { s.accept(l, s.config.Listeners[i].TLS) })
	}
}

// Resumed implements sluice.Session. Of a front door it is not asked.
func (s *session) Resumed() bool { return true }

// ReceiveMaximum implements sluice.Session. Of a front door it is not asked.
func (s *session) ReceiveMaximum() int { return s.config.ReceiveMaximum }

// Receive implements sluice.Session.
func (s *session) Receive(ctx context.Context) ([]sluice.Delivery, error) {
	for {
		if err := s.state(ctx); err != nil {
			return nil, err
		}
		s.gather(ctx)
		if s.taken = s.inbox.take(); s.taken != nil {
			s.acked, s.written = 0, 0
			if len(s.taken.deliveries) > 0 {
				s.last = time.Now()
				return s.taken.deliveries, nil
			}
			s.acknowledge() // of what goes nowhere
			continue
		}
		select {
		case <-s.inbox.wake:
		case <-s.done:
		case <-ctx.Done():
		}
	}
}

// state is why Receive must return, nil for no reason.
func (s *session) state(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

const (
	// enough is how many messages need no company.
	enough = 150
	// firstLook is the part of Gather after which the gathering looks whether more has
	// come. It looks half as often each time: looking wakes a processor.
	firstLook = 16
)

// gather waits until Gather after the last Receive, while little waits and more comes:
// devices that send one message at a time have all sent theirs soon, and wait.
func (s *session) gather(ctx context.Context) {
	end := s.last.Add(s.config.Gather)
	step := s.config.Gather / firstLook
	for n := s.inbox.pendingCount(); n > 0 && n < enough && time.Now().Before(end) && ctx.Err() == nil && !s.ended(); step *= 2 {
		s.wait(min(time.Until(end), step))
		now := s.inbox.pendingCount()
		if now == n {
			return
		}
		n = now
	}
}

// Ack implements sluice.Session. ds is what follows, in what Receive returned, the ds
// of the last call.
func (s *session) Ack(ds []sluice.Delivery) error {
	if s.taken == nil {
		return errClosed
	}
	s.acked += len(ds)
	s.acknowledge()
	return nil
}

// acknowledge writes the PUBACKs that are due: one write per connection.
func (s *session) acknowledge() {
	due := s.taken.receipts[s.written:]
	last := s.acked == len(s.taken.deliveries)
	n := 0
	for n < len(due) && (last || int(due[n].at) < s.acked) {
		n++
	}
	s.written += n
	for due = due[:n]; len(due) > 0; {
		run := sameConnection(due)
		s.settle(due[0].conn, due[:run])
		due = due[run:]
	}
	for _, c := range s.dirty {
		c.out.flushAcks()
	}
	clear(s.dirty)
	s.dirty = s.dirty[:0]
}

func sameConnection(rs []receipt) int {
	n := 1
	for n < len(rs) && rs[n].conn == rs[0].conn {
		n++
	}
	return n
}

// settle adds the PUBACKs of a connection to its output, unless it is not its
// client's newest.
func (s *session) settle(c *connection, rs []receipt) {
	for i := range rs {
		if r := &rs[i]; r.own && s.taken.deliveries[r.at].Stale {
			c.stop(endTaken, wire.SessionTakenOver, nil)
			return
		}
	}
	c.inflight.Add(-int32(len(rs)))
	if c.held.Load() {
		c.signal()
	}
	if c.out.acknowledge(rs) {
		s.dirty = append(s.dirty, c)
	}
}

// errClosed ends a session that Close ended.
var errClosed = fmt.Errorf("front door closed: %w", net.ErrClosed)

// Close implements sluice.Session: all connections end, v5 clients are told 0x8B. It
// returns when the session's goroutines are gone.
func (s *session) Close() error {
	s.fail(errClosed)
	s.running.Wait()
	return nil
}

// fail ends the session, the first time it is called.
func (s *session) fail(err error) {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return
	}
	s.over, s.err = true, err
	close(s.done)
	s.mu.Unlock()
	s.cancel()
	for _, l := range s.bound {
		interrupt(l)
	}
	for _, c := range s.connections() {
		c.stop(endClosed, wire.ServerShuttingDown, nil)
	}
}

func (s *session) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// connections are all that are open now.
func (s *session) connections() []*connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*connection, 0, len(s.open))
	for c := range s.open {
		all = append(all, c)
	}
	return all
}

// turn makes the CONNECTs of a client take turns; call what it returns behind.
func (s *session) turn(client string) (done func()) {
	m := &s.turns[maphash.String(s.seed, client)%uint64(len(s.turns))]
	m.Lock()
	return m.Unlock
}

// replace makes c the connection of its client. Of an older one nothing enters the
// inbox any more.
func (s *session) replace(c *connection) {
	s.mu.Lock()
	old := s.clients[c.client]
	s.clients[c.client] = c
	s.mu.Unlock()
	if old != nil {
		s.oust(old)
	}
}

// supersede ends the connection of a client that has one with a higher number at
// another replica.
func (s *session) supersede(client string, number int64) {
	s.mu.Lock()
	old := s.clients[client]
	s.mu.Unlock()
	if old != nil && old.number < number {
		s.oust(old)
	}
}

func (s *session) oust(old *connection) {
	s.inbox.cutOff(old)
	if old.cause.Load() == nil {
		s.stats.takeovers.Add(1)
	}
	old.stop(endTaken, wire.SessionTakenOver, nil)
}

// forget ends the subscriptions of a connection.
func (s *session) forget(c *connection) {
	for filter := range c.subs {
		s.topics.remove(filter, c)
	}
}

// release takes a connection out of its client's place, if it has it.
func (s *session) release(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients[c.client] == c {
		delete(s.clients, c.client)
	}
}

// refused logs a refused CONNECT, one a second: the rest is counted.
func (s *session) refused(m wire.Connect, from net.Addr, err error) {
	if now := time.Now().Unix(); s.server.told.Swap(now) != now {
		s.log.Warn("CONNECT refused", "client", m.ClientID, "user", m.User, "address", from, "err", err)
	}
}
