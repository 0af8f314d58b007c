package server

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strings"

	"sluice"
	"sluice/mqtt/server/wire"
)

// subscriptions are those of one client. The goroutine of its connection owns them.
type subscriptions map[string]options

// subscribe takes a SUBSCRIBE. What is granted outlives the connection if the session
// does, so it is recorded first.
func (c *connection) subscribe(p wire.Packet) error {
	sub, err := wire.ParseSubscribe(c.version, p)
	if err != nil {
		return err
	}
	if sub.SubscriptionID != 0 {
		return &wire.Error{Reason: wire.SubscriptionIDsNotSupported, Text: "SUBSCRIBE with a subscription identifier, which is not available"}
	}
	reasons, granted := c.grant(sub.Filters)
	if len(granted) > 0 && !c.record(c.subs.with(granted)) {
		refuse(reasons)
		granted = nil
	}
	for filter, o := range granted {
		c.session.topics.add(filter, c, o)
	}
	c.subs = c.subs.with(granted)
	c.out.subscribed(len(c.subs) > 0)
	return c.answer(wire.AppendSuback(nil, c.version, sub.PacketID, reasons...))
}

// answer sends what the client waits for.
func (c *connection) answer(packet []byte) error {
	if err := c.checkSize(packet); err != nil {
		return err
	}
	c.out.send(packet)
	return nil
}

// refuse makes failures of what was granted.
func refuse(reasons []wire.Reason) {
	for i, r := range reasons {
		if !r.Failed() {
			reasons[i] = wire.QuotaExceeded
		}
	}
}

// grant judges the filters of a SUBSCRIBE, one by one.
func (c *connection) grant(filters []wire.Subscription) (reasons []wire.Reason, granted subscriptions) {
	granted = subscriptions{}
	for _, f := range filters {
		reason := c.judgeFilter(f)
		if !reason.Failed() {
			granted[f.Filter] = options{qos: byte(reason), noLocal: f.NoLocal}
		}
		reasons = append(reasons, reason)
	}
	return reasons, granted
}

// judgeFilter returns the QoS granted, or why none is. What a route wants is never
// delivered to anybody; where the filter says that alone, the client is told.
func (c *connection) judgeFilter(f wire.Subscription) wire.Reason {
	switch {
	case strings.HasPrefix(f.Filter, "$share/"):
		return wire.SharedNotSupported
	case !c.rights.Load().Subscribe(f.Filter):
		return wire.NotAuthorized
	case !strings.ContainsAny(f.Filter, "+#") && c.session.config.Routed(f.Filter):
		return wire.ImplementationSpecific
	}
	return wire.Reason(min(f.QoS, 1))
}

// unsubscribe takes an UNSUBSCRIBE. It holds for this connection also when it cannot be
// recorded; a v5 client is told, as the session will have those filters again.
func (c *connection) unsubscribe(p wire.Packet) error {
	unsub, err := wire.ParseUnsubscribe(c.version, p)
	if err != nil {
		return err
	}
	reasons := make([]wire.Reason, len(unsub.Filters))
	for i, filter := range unsub.Filters {
		if !c.session.topics.remove(filter, c) {
			reasons[i] = wire.NoSubscriptionExisted
		}
		delete(c.subs, filter)
	}
	if !c.record(c.subs) {
		reasons = slices.Repeat([]wire.Reason{wire.ImplementationSpecific}, len(reasons))
	}
	return c.answer(wire.AppendUnsuback(nil, c.version, unsub.PacketID, reasons...))
}

// record has the registry keep the subscriptions of a session that outlives its
// connection; false: they cannot be kept, or are too many.
func (c *connection) record(all subscriptions) bool {
	packed := all.pack()
	if len(packed) > sluice.MaxSubscriptions {
		return false
	}
	if c.keep == 0 {
		return true
	}
	c.held.Store(true)
	defer c.release()
	err := c.session.call(func(ctx context.Context) error {
		return c.session.config.Registry.SubscribeClient(ctx, c.session.lease, c.client, c.number, packed)
	})
	if errors.Is(err, sluice.ErrLost) {
		c.stop(endTaken, wire.SessionTakenOver, nil)
	}
	return err == nil
}

// resubscribe takes up the subscriptions of an earlier connection.
func (c *connection) resubscribe(packed []byte) {
	c.subs = unpack(packed)
	c.out.subscribed(len(c.subs) > 0)
	for filter, o := range c.subs {
		c.session.topics.add(filter, c, o)
	}
}

// subscribed makes the queue of a subscriber.
func (o *output) subscribed(yes bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if yes && o.queue == nil && !o.closing {
		o.queue = newQueue(o.conn.receiveMaximum, o.conn.session.config.MaxQueued)
	}
}

// with returns both; those of more replace others of the same filter.
func (s subscriptions) with(more subscriptions) subscriptions {
	if len(more) == 0 {
		return s
	}
	all := make(subscriptions, len(s)+len(more))
	for _, m := range []subscriptions{s, more} {
		maps.Copy(all, m)
	}
	return all
}

// Flags of a packed subscription.
const (
	packedQoS1    = 1
	packedNoLocal = 2
)

// pack writes each as flags, length of the filter (two bytes, big endian), filter.
func (s subscriptions) pack() (b []byte) {
	for filter, o := range s {
		flags := o.qos & packedQoS1
		if o.noLocal {
			flags |= packedNoLocal
		}
		b = append(binary.BigEndian.AppendUint16(append(b, flags), uint16(len(filter))), filter...)
	}
	return b
}

// unpack reads what pack wrote, as far as it can be read.
func unpack(b []byte) subscriptions {
	var s subscriptions
	for len(b) >= 3 {
		o, n := options{qos: b[0] & packedQoS1, noLocal: b[0]&packedNoLocal != 0}, int(binary.BigEndian.Uint16(b[1:]))
		if b = b[3:]; len(b) < n || wire.CheckFilter(wire.V5, string(b[:n])) != nil {
			return s
		}
		if s == nil {
			s = subscriptions{}
		}
		s[string(b[:n])] = o
		b = b[n:]
	}
	return s
}
