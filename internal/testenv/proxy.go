package testenv

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// Direction is one half of a connection through a Link.
type Direction int

// The two directions.
const (
	ToServer Direction = iota
	ToClient
)

func (d Direction) String() string {
	if d == ToServer {
		return "to server"
	}
	return "to client"
}

// Link is a TCP proxy that can be cut, held and made to lose bytes: the network
// between two parts of a test. All methods are safe for concurrent use.
type Link struct {
	targets  []string
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex // guards what follows
	changed  *sync.Cond // any of it changed
	pairs    map[*pair]struct{}
	triggers []*trigger
	next     int     // target of the next connection
	down     bool    // new connections are reset
	closed   bool    // the test has ended
	held     [2]bool // by Direction: bytes wait
	lost     [2]bool // by Direction: bytes are thrown away
}

// pair is one connection through the link: the client's end and the server's.
type pair struct {
	client, server net.Conn
	closed, frozen bool // guarded by Link.mu
}

// trigger is an action that waits for a pattern.
type trigger struct {
	dir     Direction
	pattern []byte
	action  func()
}

// Proxy opens a link to target (host:port). It is closed when the test ends.
func Proxy(t testing.TB, target string) *Link {
	t.Helper()
	return Balance(t, target)
}

// Balance opens a link to several targets, which take new connections in turn. One
// that refuses a connection is passed over.
func Balance(t testing.TB, targets ...string) *Link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("testenv: proxy: %v", err)
	}
	l := &Link{targets: targets, listener: listener, pairs: map[*pair]struct{}{}}
	l.changed = sync.NewCond(&l.mu)
	l.wg.Go(l.accept)
	t.Cleanup(l.close)
	return l
}

// Addr returns the host:port on which the link listens.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// Reset ends every open connection with a TCP reset, on both sides. New ones go
// through.
func (l *Link) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reset()
}

// Cut resets every open connection, and new ones at once, until Mend: a client
// sees the reset while it connects or at its first read.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	l.reset()
}

// Mend lets new connections through again after Cut.
func (l *Link) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
}

// Pause holds the bytes of both directions: connections stay open and silent.
func (l *Link) Pause() { l.Hold(ToServer, ToClient) }

// Resume ends Pause, Hold and Lose: held bytes go on, in order.
func (l *Link) Resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held, l.lost = [2]bool{}, [2]bool{}
	l.changed.Broadcast()
}

// Hold holds the bytes of the given directions, of open and new connections,
// until Resume.
func (l *Link) Hold(dirs ...Direction) { l.set(&l.held, dirs) }

// Lose throws the bytes of the given directions away until Resume: a reply that
// never arrives. What follows such a gap makes no sense to the reader, so Reset
// the connections before Resume.
func (l *Link) Lose(dirs ...Direction) { l.set(&l.lost, dirs) }

// Freeze holds the bytes of about one in n open connections, in both directions: both
// ends believe in a connection that is none. It returns how many there are. Thaw ends
// that.
func (l *Link) Freeze(n int) (frozen int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.pairs {
		if !p.frozen && rand.IntN(n) == 0 {
			p.frozen = true
			frozen++
		}
	}
	return frozen
}

// Thaw lets what Freeze held go on.
func (l *Link) Thaw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.pairs {
		p.frozen = false
	}
	l.changed.Broadcast()
}

// Open counts the open connections to each target, in their order.
func (l *Link) Open() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	open := make([]int, len(l.targets))
	for p := range l.pairs {
		open[slices.Index(l.targets, p.server.RemoteAddr().String())]++
	}
	return open
}

func (l *Link) set(flags *[2]bool, dirs []Direction) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range dirs {
		flags[d] = true
	}
	l.changed.Broadcast()
}

// On calls action once, when pattern is next seen in the bytes of a direction,
// before the bytes that complete it go on: with Lose(ToClient) as the action the
// server gets a request and its reply is lost, with Hold(dir) the pattern itself
// is held. The action may call any method of the link. The returned channel is
// closed after the action.
func (l *Link) On(dir Direction, pattern []byte, action func()) <-chan struct{} {
	done := make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.triggers = append(l.triggers, &trigger{
		dir:     dir,
		pattern: bytes.Clone(pattern),
		action:  func() { action(); close(done) },
	})
	return done
}

// accept serves connections until the listener is closed.
func (l *Link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.wg.Go(func() { l.serve(client) })
	}
}

// serve joins one client to the target until either side ends.
func (l *Link) serve(client net.Conn) {
	if l.isDown() { // the server must not see the attempt
		abort(client)
		return
	}
	server, err := l.dial()
	if err != nil {
		abort(client)
		return
	}
	p := &pair{client: client, server: server}
	if !l.add(p) {
		abort(client)
		abort(server)
		return
	}
	var both sync.WaitGroup
	both.Go(func() { l.pump(p, ToServer, server, client) })
	both.Go(func() { l.pump(p, ToClient, client, server) })
	both.Wait()

	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pairs, p)
	_ = client.Close()
	_ = server.Close()
}

// dial connects to the target whose turn it is, or else to the next one.
func (l *Link) dial() (server net.Conn, err error) {
	for range l.targets {
		server, err = net.DialTimeout("tcp", l.turn(), 5*time.Second)
		if err == nil {
			return server, nil
		}
	}
	return nil, err
}

func (l *Link) turn() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	target := l.targets[l.next]
	l.next = (l.next + 1) % len(l.targets)
	return target
}

// add takes up a connection; false: it is to be reset.
func (l *Link) add(p *pair) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down || l.closed {
		return false
	}
	l.pairs[p] = struct{}{}
	return true
}

// pump carries the bytes of one direction. An end of file goes on as one; a
// fault resets both sides.
func (l *Link) pump(p *pair, dir Direction, to, from net.Conn) {
	buf := make([]byte, 64<<10)
	var seen []byte // the end of what went before, for patterns across two reads
	for {
		n, err := from.Read(buf)
		if n > 0 {
			seen = l.fire(dir, append(seen, buf[:n]...))
			err = errors.Join(err, l.forward(p, dir, to, buf[:n]))
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && l.waitOpen(p, dir):
			_ = to.(*net.TCPConn).CloseWrite()
			return
		default:
			l.mu.Lock()
			defer l.mu.Unlock()
			l.drop(p)
			return
		}
	}
}

// forward passes a chunk on, once it may. It fails when the connection is gone.
func (l *Link) forward(p *pair, dir Direction, to net.Conn, chunk []byte) error {
	if !l.waitOpen(p, dir) {
		return net.ErrClosed
	}
	if l.loses(dir) {
		return nil
	}
	_, err := to.Write(chunk)
	return err
}

// waitOpen waits while the direction is held; false: the connection is gone.
func (l *Link) waitOpen(p *pair, dir Direction) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for (l.held[dir] || p.frozen) && !p.closed {
		l.changed.Wait()
	}
	return !p.closed
}

func (l *Link) isDown() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.down
}

func (l *Link) loses(dir Direction) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost[dir]
}

// fire runs the actions whose pattern data contains, and returns the end of data
// in which a pattern may have begun.
func (l *Link) fire(dir Direction, data []byte) []byte {
	var due []*trigger
	keep := 0
	l.mu.Lock()
	l.triggers = slices.DeleteFunc(l.triggers, func(tr *trigger) bool {
		if tr.dir != dir {
			return false
		}
		if bytes.Contains(data, tr.pattern) {
			due = append(due, tr)
			return true
		}
		keep = max(keep, len(tr.pattern)-1)
		return false
	})
	l.mu.Unlock()
	for _, tr := range due {
		tr.action()
	}
	return append([]byte(nil), data[max(0, len(data)-keep):]...)
}

// reset ends all connections. l.mu is held.
func (l *Link) reset() {
	for p := range l.pairs {
		l.drop(p)
	}
}

// drop resets both sides of a connection. l.mu is held.
func (l *Link) drop(p *pair) {
	if p.closed {
		return
	}
	p.closed = true
	abort(p.client)
	abort(p.server)
	l.changed.Broadcast()
}

// close ends the link and returns when its goroutines are gone.
func (l *Link) close() {
	_ = l.listener.Close()
	l.mu.Lock()
	l.closed = true
	l.reset()
	l.mu.Unlock()
	l.wg.Wait()
}

// abort closes a connection with a reset, as a vanished peer would.
func abort(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}
