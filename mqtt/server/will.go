package server

import (
	"time"

	"sluice/mqtt/server/wire"
)

// end tells the registry that the connection has ended, with its last will if it
// applies. A will whose Will Delay Interval is not over yet waits; the delay in the
// payload of one that tells of a device begins after that. When the session ends
// meanwhile the registry has the will.
func (c *connection) end() {
	c.session.forget(c)
	if !c.established.Load() {
		return
	}
	will := c.will
	switch c.cause.Load().ending {
	case endTaken, endClosed:
		return
	case endFarewell:
		will = nil
	}
	c.session.disconnect(c, will != nil)
	if will != nil && c.session.pause(min(time.Duration(will.Delay)*time.Second, c.keep)) {
		c.publishWill(will)
	}
	c.session.release(c)
}

// pause waits; false: the session ended.
func (s *session) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	s.wait(d)
	return !s.ended()
}

// publishWill sends the last will behind everything that the connection sent, unless
// its client is back [MQTT-3.1.3-9].
func (c *connection) publishWill(w *wire.Will) {
	var routed []arrival // none asks only whether the connection was cut off
	if c.session.config.Routed(w.Topic) {
		routed = []arrival{{topic: []byte(w.Topic), payload: w.Payload, qos: 1, toEngine: true, will: true}}
	}
	if !c.session.inbox.push(c, routed, time.Now().UnixMicro()) {
		return
	}
	c.session.stats.wills.Add(1)
	if routed != nil {
		return
	}
	_ = c.session.pass(&wire.Publish{ // counted; nobody is left to be told
		Topic: []byte(w.Topic), Payload: w.Payload, QoS: w.QoS, HasExpiry: w.HasExpiry, Expiry: w.Expiry, Properties: w.Properties,
	}, c)
}
