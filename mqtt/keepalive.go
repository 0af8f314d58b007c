package mqtt

import (
	"fmt"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

const (
	// keepAliveTicks is how many times per keepalive interval the connection is
	// looked at.
	keepAliveTicks = 4
	// pingAfter so many ticks without a write a PINGREQ is sent, well before the
	// broker's patience ends [MQTT-3.1.2-22].
	pingAfter = 2
	// deadAfter so many ticks without a byte from the broker, counted from a
	// PINGREQ, the connection is given up.
	deadAfter = 3
)

// keepAlive probes an idle connection and ends the session when nothing
// answers. It counts ticks, not time: a process that was stopped and goes on
// gives itself as long as before to read what has come meanwhile. While the
// reader holds, the broker's answer waits unread and its silence means nothing;
// so it is while our packets wait for a broker that is slow to read.
func (s *session) keepAlive() {
	ticker := time.NewTicker(s.keepalive / keepAliveTicks)
	defer ticker.Stop()
	var p probe
	for {
		select {
		case <-s.done:
			return
		case <-ticker.C:
		}
		if s.holding.Load() || s.out.behind() {
			p.pinged = false
		}
		switch p.tick(s.reads.Load(), s.writes.Load()) {
		case sendPing:
			if s.write([]byte{packets.PINGREQ << 4, 0}) != nil {
				return
			}
			p.writes++ // the PINGREQ itself
		case giveUp:
			s.fail(fmt.Errorf("mqtt: no answer to PINGREQ within %v", s.keepalive*deadAfter/keepAliveTicks))
			return
		}
	}
}

// probe decides what a tick of keepAlive does.
type probe struct {
	reads, writes uint64 // as of the last tick
	quiet         int    // ticks without a write
	silent        int    // ticks without a read since the PINGREQ
	pinged        bool   // a PINGREQ is out and nothing has been read since
}

type action int

const (
	doNothing action = iota
	sendPing
	giveUp
)

func (p *probe) tick(reads, writes uint64) action {
	if p.pinged && reads == p.reads {
		p.silent++
	} else {
		p.pinged, p.silent = false, 0
	}
	if writes == p.writes {
		p.quiet++
	} else {
		p.quiet = 0
	}
	p.reads, p.writes = reads, writes
	switch {
	case p.silent >= deadAfter:
		return giveUp
	case p.quiet >= pingAfter:
		p.quiet, p.pinged = 0, true
		return sendPing
	}
	return doNothing
}
