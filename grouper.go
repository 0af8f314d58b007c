package sluice

import (
	"cmp"
	"log/slog"
	"time"
)

// grouper turns deliveries into groups: it picks the route of each message and
// sorts out what must not be stored. Its memory is reused from group to group.
// One goroutine owns it.
type grouper struct {
	mux      *Mux
	presence *watcher // nil: devices are not watched
	observer Observer
	log      *slog.Logger
	targets  map[string]target // by topic; emptied when it grows past maxTargets
	index    map[*Route]int    // place of a route's part in parts
	parts    []Part            // one per route, by index
	group    Group
	seen     map[uint16]uint64 // redelivery record: hash by packet id
	packets  packetWindow
	clients  groupClients
	unrouted bool // an unrouted topic was logged since begin
	again    bool // the group is built once more: what was told is not told again
}

// maxTargets bounds the cache of topics: a fleet of that many devices with the
// identity in the topic is looked up once per device.
const maxTargets = 1 << 17

// target is where the messages of one topic go.
type target struct {
	kind   targetKind
	route  *Route // of toRoute
	part   int
	move   MoveKind // of toPresence
	device string   // the name in the topic, "" for none
	// account is the queue in whose account messages are counted.
	account string
	filter  uint32 // subscription identifier of the filter that chose it
}

type targetKind byte

const (
	nowhere    targetKind = iota
	toRoute               // to the queue of a route
	toPresence            // a move of a device
	toMark                // the session's own marker
	toUptime              // the broker's uptime
)

func newGrouper(mux *Mux, keeper Attendant, o Observer, log *slog.Logger) *grouper {
	gr := &grouper{
		mux: mux, observer: o, log: log, targets: map[string]target{}, index: map[*Route]int{},
		clients: groupClients{index: map[connectionOf]int{}},
	}
	if keeper != nil {
		gr.presence = newWatcher(mux, keeper)
	}
	for i, r := range mux.Routes() {
		gr.index[r] = i
		gr.parts = append(gr.parts, Part{Queue: r.Queue(), Policy: r.Policy})
	}
	return gr
}

// remember is how many messages the redelivery record holds: half as many as
// there are packet ids. Twice the receive maximum would do for a broker that keeps
// to it and reads its acknowledgements; Mosquitto under full load does neither.
// More would be dangerous: a message that is new, has an id from one round ago and
// the payload of then, and breaks with the connection before it is read, comes back
// with DUP and must not be taken for the old one.
const remember = 1 << 15

// begin starts the groups of a new session. A packet id that comes back within
// the newest window messages is reused early.
func (gr *grouper) begin(l Lease, window int) {
	newest := l.Delivered[max(len(l.Delivered)-remember, 0):] // a store may keep more
	gr.seen = make(map[uint16]uint64, len(newest))
	for _, d := range newest {
		gr.seen[d.PacketID] = d.Hash
	}
	gr.packets = packetWindow{length: uint64(window)}
	gr.unrouted = false
	l.Delivered = nil
	gr.group = Group{Lease: l, Remember: remember}
	if gr.presence != nil {
		gr.presence.begin()
	}
}

// build returns the next group: valid until the next call, pointing into ds.
func (gr *grouper) build(ds []Delivery) *Group {
	gr.group.Number++
	return gr.fill(ds)
}

// fill makes the group of ds.
func (gr *grouper) fill(ds []Delivery) *Group {
	g := &gr.group
	g.Age = age(ds)
	gr.clients.reset()
	g.Dead, g.Drops, g.Delivered, g.Parts = g.Dead[:0], g.Drops[:0], g.Delivered[:0], g.Parts[:0]
	for i := range gr.parts {
		gr.parts[i].Frame.Reset()
	}
	if gr.presence != nil {
		gr.presence.group(g)
	}
	for i := range ds {
		gr.add(i, &ds[i])
	}
	for _, p := range gr.parts {
		if p.Frame.Count > 0 {
			g.Parts = append(g.Parts, p)
		}
	}
	g.Clients = gr.clients.list
	return g
}

// age is how long ago the first message was received, 0 where clocks jumped.
func age(ds []Delivery) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	return max(time.Since(time.UnixMicro(ds[0].Received)), 0)
}

// add takes in delivery i.
func (gr *grouper) add(i int, d *Delivery) {
	t := gr.target(d.Topic)
	switch {
	case d.Stale:
		return
	case t.kind == nowhere, t.kind == toMark && d.Client != "":
		gr.unwanted(d)
		return
	case t.kind == toMark:
		gr.presence.mark(&gr.group, d)
		return
	case t.kind == toUptime:
		gr.presence.uptime(d)
		return
	case d.Retain && d.Client == "":
		gr.drop(t.account, DropRetained)
		return
	case d.Known:
		gr.drop(t.account, DropRedelivery)
		return
	case !subscribed(d.Subscriptions, t.filter):
		gr.drop(t.account, DropOverlap)
		return
	case d.QoS > 0 && !gr.note(d):
		gr.drop(t.account, DropRedelivery)
		return
	}
	gr.place(t, i, d)
}

// place puts delivery i where the target says.
func (gr *grouper) place(t target, i int, d *Delivery) {
	if t.kind == toPresence {
		if bad := gr.presence.move(&gr.group, t, i, d); bad != nil {
			gr.refuse(t, d, *bad)
			gr.end(d)
		}
		return
	}
	gr.end(d)
	if len(d.Payload) > t.route.MaxPayload {
		gr.refuse(t, d, BadMessage{Reason: ReasonTooLarge})
		return
	}
	gr.parts[t.part].Frame.Append(d.Topic, d.Payload, d.Received)
	if gr.presence != nil && !d.Will { // a will is no sign of life
		gr.presence.see(&gr.group, t, i, d)
	}
}

// unwanted counts a message that no route wants.
func (gr *grouper) unwanted(d *Delivery) {
	gr.end(d)
	if !gr.again {
		gr.observer.Event(EventUnrouted)
	}
}

// note enters a QoS 1 message into the redelivery record, that of its client if a
// client sent it; false: the broker's has it already.
func (gr *grouper) note(d *Delivery) bool {
	if d.Will {
		return true
	}
	hash := hashOf(d.Topic, d.Payload)
	if d.Client != "" {
		c := gr.clients.of(d)
		c.Delivered = append(c.Delivered, Delivered{d.PacketID, hash})
		return true
	}
	if d.Dup && gr.redelivered(d.PacketID, hash) {
		return false
	}
	gr.notePacket(d.PacketID)
	gr.group.Delivered = append(gr.group.Delivered, Delivered{d.PacketID, hash})
	return true
}

// limit takes moves of devices that are too many out of the group: those of the
// reserved topics become dead letters, those of readings only go untold.
func (gr *grouper) limit(ds []Delivery, e *DeviceLimitError) {
	for i, m := range gr.presence.without(&gr.group, e.Moves) {
		d := &ds[i]
		if t := gr.target(d.Topic); t.kind == toPresence {
			gr.refuse(t, d, BadMessage{Reason: ReasonDevices, Device: m.Device})
			gr.end(d)
		}
	}
	gr.group.Clients = gr.clients.list
}

// subscriptions are the mux's filters as MQTT writes them, and what presence
// needs besides.
func (gr *grouper) subscriptions() []string {
	var names []string
	for _, f := range gr.mux.Filters() {
		names = append(names, f.Subscription())
	}
	if gr.presence != nil {
		names = append(names, gr.presence.keeper.Sync(), TopicUptime)
	}
	return names
}

// target looks the topic up; the cache saves the walk over the filters.
func (gr *grouper) target(topic []byte) target {
	t, ok := gr.targets[string(topic)]
	if ok {
		return t
	}
	name := string(topic)
	t = gr.find(name)
	if t.kind == nowhere && !gr.unrouted {
		gr.unrouted = true // once per session: the topics are the devices' choice
		gr.log.Warn("message of a topic without a route: an earlier configuration subscribed to it", "topic", name)
	}
	if len(gr.targets) >= maxTargets {
		clear(gr.targets)
	}
	gr.targets[name] = t
	return t
}

func (gr *grouper) find(topic string) target {
	if gr.presence != nil {
		if kind := gr.presence.control(topic); kind != nowhere {
			return target{kind: kind}
		}
	}
	route, i := gr.mux.Match(topic)
	if i < 0 {
		return target{}
	}
	f := gr.mux.filters[i]
	t := target{kind: toRoute, route: route, part: gr.index[route], move: f.move, filter: uint32(i) + 1}
	if route == nil {
		t.kind, t.account = toPresence, AccountPresence
	} else {
		t.account = route.Queue()
	}
	if name, ok := f.Capture(topic, "device"); ok && (ValidName(name) || route == nil) {
		t.device = name
	}
	return t
}

// subscribed tells whether this copy is the one for the filter that the mux
// chose. A broker without subscription identifiers sends one copy. What waited
// in the broker while the configuration changed may bear an identifier of the
// old one (0): it is the only copy, so it counts.
func subscribed(ids []uint32, filter uint32) bool {
	for _, id := range ids {
		if id == filter || id == 0 {
			return true
		}
	}
	return len(ids) == 0
}

func (gr *grouper) redelivered(packet uint16, hash uint64) bool {
	h, ok := gr.seen[packet]
	return ok && h == hash
}

func (gr *grouper) notePacket(id uint16) {
	if gr.packets.reused(id) {
		gr.observer.Event(EventPacketReuse)
		gr.log.Warn("the broker reuses packet ids early: a redelivery may be stored twice on routes without a key")
	}
}

func (gr *grouper) drop(account, cause string) {
	drops := gr.group.Drops
	for i := range drops {
		if drops[i].Route == account && drops[i].Cause == cause {
			drops[i].Count++
			return
		}
	}
	gr.group.Drops = append(drops, Drop{Route: account, Cause: cause, Count: 1})
}

// refuse makes a dead letter of a message that is bad at the door. Its device is
// the one of the topic, which the broker has checked, before that of the payload.
func (gr *grouper) refuse(t target, d *Delivery, bad BadMessage) {
	topic := string(d.Topic)
	device, _ := gr.mux.filters[t.filter-1].Capture(topic, "device")
	gr.group.Dead = append(gr.group.Dead, DeadLetter{
		Route: t.account, Topic: topic, Device: cmp.Or(device, bad.Device), Payload: d.Payload,
		Received: time.UnixMicro(d.Received), Reason: bad.Reason, Detail: bad.Detail, At: time.UnixMicro(d.Received),
	})
}

// hashOf is FNV-1a, 64 bit, over topic, a byte that no topic contains, payload.
// The hash is stored: it must never change.
func hashOf(topic, payload []byte) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for _, c := range topic {
		h = (h ^ uint64(c)) * prime
	}
	h = (h ^ 0xff) * prime
	for _, c := range payload {
		h = (h ^ uint64(c)) * prime
	}
	return h
}

// packetWindow notices a packet id that comes back within the newest length
// messages, where the redelivery record would mistake one for the other.
type packetWindow struct {
	length uint64
	count  uint64
	last   [1 << 16]uint64 // by packet id: 1 + the count at its last use
	told   bool
}

// reused is true once at most.
func (w *packetWindow) reused(id uint16) bool {
	w.count++
	before := w.last[id]
	w.last[id] = w.count
	if before == 0 || w.count-before >= w.length || w.told {
		return false
	}
	w.told = true
	return true
}
