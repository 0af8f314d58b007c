package sluice

import (
	"bytes"
	"iter"
	"strconv"
	"time"
)

// watcher makes moves of a session's messages, for the grouper. One goroutine
// owns it.
type watcher struct {
	keeper Attendant
	seen   sightings
	// direct: devices connect to the source itself, so no broker tells its uptime.
	direct bool
	// silent is what a device that was never seen on a route is held to when it
	// connects (see Move.Silent).
	silent int64

	now     int64 // presence time of the group
	shift   int64 // presence time less the router's clock
	sources []int // the delivery of each move of the group
}

func newWatcher(mux *Mux, keeper Attendant) *watcher {
	return &watcher{keeper: keeper, silent: silentAtFirst(mux.Routes())}
}

// silentAtFirst is the longest silent_after when every route has one: every
// device must then be heard of within it. -1 when none has.
func silentAtFirst(routes []*Route) int64 {
	all, longest := true, time.Duration(0)
	for _, r := range routes {
		all = all && r.SilentAfter > 0
		longest = max(longest, r.SilentAfter)
	}
	switch {
	case longest == 0:
		return -1
	case all:
		return longest.Microseconds()
	}
	return 0
}

func (w *watcher) begin() { w.seen = newSightings(maxTargets / 2) }

// oldest bounds how long before its group a message may have been received: more
// is a jump of the router's clock.
const oldest = 10 * time.Minute

// group begins a group.
func (w *watcher) group(g *Group) {
	g.Moves, g.CaughtUp = g.Moves[:0], 0
	w.sources = w.sources[:0]
	w.now = w.keeper.Now()
	w.shift = w.now - time.Now().UnixMicro()
}

// at is the presence time at which a message was received.
func (w *watcher) at(d *Delivery) int64 {
	return min(max(d.Received+w.shift, w.now-oldest.Microseconds()), w.now)
}

func (w *watcher) add(g *Group, m Move, source int) {
	g.Moves = append(g.Moves, m)
	w.sources = append(w.sources, source)
}

// move reads a message of a reserved topic.
func (w *watcher) move(g *Group, t target, source int, d *Delivery) *BadMessage {
	m, bad := w.keeper.Read(t.move, t.device, d.Payload)
	if bad != nil {
		return bad
	}
	m.At = w.at(d)
	if m.Kind == MoveConnect {
		m.Silent = w.silent
	}
	if d.Will {
		m.Client, m.Connection = d.Client, d.Connection
	}
	sightingOf(&w.seen, m.Device).at = 0 // its next message must be stored
	w.add(g, m, source)
	return nil
}

// see makes a move of a reading, when it is time.
func (w *watcher) see(g *Group, t target, source int, d *Delivery) {
	var s *sighting
	switch {
	case t.device != "":
		s = sightingOf(&w.seen, t.device)
	case t.route.Identify != nil:
		s = sightingOf(&w.seen, t.route.Identify(d.Payload))
	}
	at, silent := w.at(d), t.route.SilentAfter.Microseconds()
	if s != nil && s.due(at, silent) {
		w.add(g, Move{Kind: MoveSeen, Device: s.device, At: at, Silent: silent}, source)
	}
}

// without removes moves from the group and yields them with their deliveries.
func (w *watcher) without(g *Group, moves []int) iter.Seq2[int, Move] {
	return func(yield func(int, Move) bool) {
		kept := 0
		for i, m := range g.Moves {
			if len(moves) > 0 && moves[0] == i {
				moves = moves[1:]
				if !yield(w.sources[i], m) {
					return
				}
				continue
			}
			g.Moves[kept], w.sources[kept] = m, w.sources[i]
			kept++
		}
		g.Moves, w.sources = g.Moves[:kept], w.sources[:kept]
	}
}

// forget makes the group's sightings due again: it is built once more.
func (w *watcher) forget(g *Group) {
	for _, m := range g.Moves {
		sightingOf(&w.seen, m.Device).at = 0
	}
}

// control tells what a topic is that is neither a route's nor a device's.
func (w *watcher) control(topic string) targetKind {
	switch {
	case topic == w.keeper.Sync():
		return toMark
	case topic == TopicUptime && !w.direct:
		return toUptime
	}
	return nowhere
}

// markPayload is what a marker carries: the lease's token, so that one of an
// earlier session is not taken for ours, and the presence time.
func markPayload(token string, at int64) []byte {
	return strconv.AppendInt(append([]byte(token), ' '), at, 10)
}

func (w *watcher) mark(g *Group, d *Delivery) {
	token, number, _ := bytes.Cut(d.Payload, []byte(" "))
	at, err := strconv.ParseInt(string(number), 10, 64)
	if err == nil && string(token) == g.Lease.Token {
		g.CaughtUp = max(g.CaughtUp, at)
	}
}

// uptime reads "<n> seconds"; anything else is no uptime.
func (w *watcher) uptime(d *Delivery) {
	number, _, _ := bytes.Cut(d.Payload, []byte(" "))
	if n, err := strconv.ParseUint(string(number), 10, 32); err == nil {
		w.keeper.Uptime(time.Duration(n)*time.Second, w.at(d), d.Retain)
	}
}
