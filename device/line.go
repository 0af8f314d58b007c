package device

import (
	"context"
	"math"
	"sync"
	"time"
)

// line is a device's line to the broker. The device's goroutine of stayConnected
// dials and hangs up; anybody may cut it.
//
//	         begin           opened            answered
//	idle ------------> begun --------> opened ----------> answered
//	 ^  <--- ended ------+--- ended -----+----- ended -------+
//	 |                   |               |                   |
//	 | back              | cut           | cut               | cut
//	 +---------------- away <------------+-------------------+
//
// A line that is cut for good stays away. The truth is told under the mutex, so
// that a device's events are in the order of these states.
type line struct {
	device string
	truth  *TruthLog
	// woken ends a pause when the line is cut; capacity 1, since whoever is woken
	// looks at everything.
	woken chan struct{}

	mu sync.Mutex // guards the rest
	// quit ends the device; not nil while it runs.
	quit func()
	// hangUp ends the attempt or connection that has begun; nil for none.
	hangUp func()
	// conn is not nil in the states opened and answered.
	conn *socket
	// back is when it may dial again.
	back time.Time
	// severed: cut since it last began. An absence may be over before the device
	// has noticed that it was cut.
	severed bool
	gone    bool // cut for good
}

func newLine(device string, truth *TruthLog) *line {
	return &line{device: device, truth: truth, woken: make(chan struct{}, 1)}
}

// start takes the function that ends the device; false when there is nothing to
// start, since the line was cut for good.
func (l *line) start(quit func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.quit = quit
	return !l.gone
}

// cut ends the connection, if there is one, without DISCONNECT and keeps the line
// away, for ever when away is not above 0. What it was doing is abandoned; when it
// was away already, the new time counts. closed tells whether there was a
// socket, ok is false when the line was cut for good before.
func (l *line) cut(away time.Duration) (closed, ok bool) {
	release, closed, ok := l.sever(away)
	release()
	return closed, ok
}

// sever is the part of cut that matters to the broker. The rest is what it
// returns: it wakes goroutines, which would hold up who cuts many lines.
func (l *line) sever(away time.Duration) (release func(), closed, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return func() {}, false, false
	}
	l.severed, l.gone = true, away <= 0
	l.back = time.Now().Add(away)
	conn, hangUp := l.conn, l.hangUp
	l.conn, l.hangUp = nil, nil
	if conn != nil {
		l.shut(conn)
	}
	return func() { l.release(conn, hangUp) }, conn != nil, true
}

// shut tells the truth of a socket and shuts it.
func (l *line) shut(conn *socket) {
	if conn.closed.Load() { // somebody was quicker
		l.truth.add(l.device, Lost)
		return
	}
	l.truth.add(l.device, Dropped)
	conn.shut()
}

// release lets the device know that the line was severed.
func (l *line) release(conn *socket, hangUp func()) {
	if conn != nil {
		conn.drop()
	}
	if hangUp != nil {
		hangUp()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone && l.quit != nil {
		l.quit()
	}
	select {
	case l.woken <- struct{}{}:
	default:
	}
}

// begin is called before an attempt, with what ends it; false when the line is
// away.
func (l *line) begin(hangUp func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left() > 0 {
		return false
	}
	l.hangUp, l.severed = hangUp, false
	return true
}

// opened is called before CONNECT is sent; false when the line has been cut.
func (l *line) opened(conn *socket) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.severed {
		return false
	}
	l.conn = conn
	l.truth.add(l.device, Connecting)
	return true
}

// tell adds to the truth what is so only while there is a connection; false when
// the line has been cut.
func (l *line) tell(what What) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return false
	}
	l.truth.add(l.device, what)
	return true
}

// ended is called when an attempt or a connection is over, before its socket is
// closed, with why: Lost, Stopped, or "" for an attempt. False when there is
// nothing left to close, since the line has been cut.
func (l *line) ended(why What) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hangUp = nil
	if l.conn == nil {
		return false
	}
	if why == Stopped && l.conn.closed.Load() {
		why = Lost
	}
	if why != "" {
		l.truth.add(l.device, why)
	}
	l.conn = nil
	return true
}

// away returns how long the line stays away, 0 for not at all.
func (l *line) away() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left()
}

// wasCut tells whether the line has been cut since it last began.
func (l *line) wasCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.severed
}

// left is away with the mutex held.
func (l *line) left() time.Duration {
	if l.gone {
		return math.MaxInt64
	}
	return max(time.Until(l.back), 0)
}

// awaitBack returns true when the line is not away, false when ctx ends.
func (l *line) awaitBack(ctx context.Context) bool {
	for ctx.Err() == nil {
		left := l.away()
		if left == 0 {
			return true
		}
		l.pause(ctx, left)
	}
	return false
}

// pause returns after delay, or sooner when ctx ends or the line is cut.
func (l *line) pause(ctx context.Context, delay time.Duration) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.woken:
	case <-ctx.Done():
	}
}
