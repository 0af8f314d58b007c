package mqtt

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

// read is the session's reader goroutine: one read, everything in it to the
// pending slab, then the gather pause.
func (s *session) read() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		began := time.Now()
		messages, full, err := s.receive(s.control)
		if err != nil {
			s.quit(err)
			return
		}
		if !s.hold() || messages > 0 && !full && !s.gather(timer, began, messages) {
			return
		}
	}
}

// hold stops reading while more messages are unacknowledged than the broker may
// send. The standard would have us disconnect; but Mosquitto 2.0.11, once acks
// come slower than messages, sends without limit, and a reconnect would only
// begin it anew. Not to read bounds the memory and leaves the rest in order.
// False: the session has ended.
func (s *session) hold() bool {
	for s.unacked.Load() > int64(s.config.ReceiveMaximum) {
		if !s.holding.Swap(true) {
			s.counters.holds.Add(1)
		}
		select {
		case <-s.room:
		case <-s.done:
			return false
		}
	}
	s.holding.Store(false)
	return true
}

// enough is how many messages of a read are many: beyond it the gather pause
// shortens in proportion, so that a fast stream is not held back.
const enough = 150

// gather waits until Config.Gather after the last read, which brought that many
// messages, began. False: the session has ended.
func (s *session) gather(timer *time.Timer, began time.Time, messages int) bool {
	wait := s.config.Gather*enough/time.Duration(max(messages, enough)) - time.Since(began)
	if wait <= 0 {
		return true
	}
	s.conn.alarm.quiet()
	defer s.conn.alarm.loud()
	timer.Reset(wait)
	select {
	case <-timer.C:
		return true
	case <-s.done:
		return false
	}
}

// receive reads once and handles every packet that is whole: messages go to the
// pending slab, anything else to control. full tells that more is waiting.
func (s *session) receive(control func(packet) error) (messages int, full bool, err error) {
	if full, err = s.in.fill(s.conn); err != nil {
		return 0, false, s.lost(err)
	}
	for !full && s.conn.more() { // an error comes again with the next read
		if full, err = s.in.fill(s.conn); err != nil {
			break
		}
	}
	s.reads.Add(1)
	messages, err = s.consume(time.Now().UnixMicro(), control)
	return messages, full, err
}

// lost explains why a read failed.
func (s *session) lost(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("mqtt: broker closed the connection without a word: it stopped, or another client took the id %q: %w",
			s.config.ClientID, err)
	}
	return fmt.Errorf("mqtt: read from broker: %w", err)
}

// tally counts the messages of one read.
type tally struct {
	qos0, qos1, dropped, stale, cut int
}

// consume splits what has been read and adds the messages to the pending slab.
func (s *session) consume(received int64, control func(packet) error) (messages int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var t tally
	for err == nil {
		p, ok, e := s.in.next()
		if err = e; !ok || err != nil {
			break
		}
		if p.header>>4 == packets.PUBLISH {
			err = s.message(p, received, &t)
		} else {
			err = control(p)
		}
	}
	s.count(&t)
	return t.qos0 + t.qos1, err
}

// message adds one PUBLISH to the pending slab.
func (s *session) message(p packet, received int64, t *tally) error {
	if !s.accepted {
		return violation("PUBLISH before CONNACK [MQTT-3.2.0-1]")
	}
	known := len(s.pending.subs)
	m, subs, err := parsePublish(p.header, p.body, s.pending.subs, p.cut)
	if err != nil {
		return err
	}
	s.pending.subs = subs
	if most := s.config.MaxPayload; p.cut || most > 0 && len(m.payload) > most+1 {
		m.payload = m.payload[:min(len(m.payload), most+1)]
		t.cut++
	}
	if m.qos == 0 {
		t.qos0++
		if !s.pending.fits(m) {
			t.dropped++
			s.pending.subs = subs[:known]
			return nil
		}
	} else {
		t.qos1++
	}
	if translate(subs[known:], s.ids) > 0 {
		t.stale++
	}
	s.pending.add(m, len(subs)-known, received)
	return nil
}

// count adds a read's tally to the counters and wakes Receive.
func (s *session) count(t *tally) {
	if t.qos0+t.qos1 == 0 {
		return
	}
	s.unacked.Add(int64(t.qos1))
	s.counters.reads.Add(1)
	s.counters.receivedQoS0.Add(uint64(t.qos0))
	s.counters.receivedQoS1.Add(uint64(t.qos1))
	s.counters.droppedQoS0.Add(uint64(t.dropped))
	s.counters.stale.Add(uint64(t.stale))
	s.counters.cut.Add(uint64(t.cut))
	select {
	case s.wake <- struct{}{}:
	default: // it is awake already
	}
}

// control handles what a broker sends beside messages once it has confirmed the
// subscriptions.
func (s *session) control(p packet) error {
	switch p.header >> 4 {
	case packets.PINGRESP: // that it was read is all that counts
		if p.header&0x0F != 0 || len(p.body) != 0 {
			return malformed("PINGRESP with flags or a body")
		}
		return nil
	case packets.DISCONNECT:
		return disconnected(p)
	case packets.PUBACK:
		return s.marked(p)
	}
	return violation(fmt.Sprintf("packet of type %d, which a broker does not send here", p.header>>4))
}

// disconnected returns the reason of a DISCONNECT.
func disconnected(p packet) error {
	d := &packets.Disconnect{}
	if len(p.body) > 0 { // none: normal disconnection [MQTT 3.14.2.1]
		content, err := decode[*packets.Disconnect](p)
		if err != nil {
			return err
		}
		d = content
	}
	e := &ReasonError{Packet: "DISCONNECT", Code: d.ReasonCode}
	if d.Properties != nil {
		e.Reason = d.Properties.ReasonString
	}
	return fmt.Errorf("mqtt: broker ended the connection: %w", e)
}

// quit ends the session with err, telling the broker where err is its fault.
func (s *session) quit(err error) {
	if broken, ok := errors.AsType[*protocolError](err); ok {
		s.finish(fmt.Errorf("mqtt: %w", err), broken.code)
		return
	}
	s.fail(err)
}
