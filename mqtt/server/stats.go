package server

import (
	"sync/atomic"

	"sluice/mqtt/server/wire"
)

// Stats are counts since New, but for Connections.
type Stats struct {
	// Connections is how many are open now, those without a CONNECT included.
	Connections int64
	// Connects counts the CONNECTs by what the CONNACK said.
	Connects map[wire.Reason]uint64
	// RefusedRate and RefusedFull are connections closed at once: because of the rate
	// of their address, because of MaxConnections.
	RefusedRate, RefusedFull uint64
	// Takeovers are connections ended by a newer one of their client.
	Takeovers uint64
	// Lost are connections that ended without a DISCONNECT of the client, Silent those
	// of them whose keepalive ran out.
	Lost, Silent uint64
	// PublishesQoS0 and PublishesQoS1 are messages of clients, those that were denied or
	// passed on included.
	PublishesQoS0, PublishesQoS1 uint64
	// Denied are messages that the access list forbids.
	Denied uint64
	// Passed are messages passed on, Unsent those of them that other replicas could not
	// be told.
	Passed, Unsent uint64
	// Delivered are messages written to subscribers, Dropped those given up because a
	// subscriber was slow or its packets may not be that large.
	Delivered, Dropped uint64
	// Wills are last wills that were published.
	Wills uint64
	// BytesIn and BytesOut are bytes of MQTT, without TLS.
	BytesIn, BytesOut uint64
	// Waits counts how often a connection had to wait before it could be read on.
	Waits uint64
}

// counters are the Stats while they grow.
type counters struct {
	connections                               atomic.Int64
	connects                                  [256]atomic.Uint64
	refusedRate, refusedFull, takeovers       atomic.Uint64
	lost, silent, qos0, qos1, denied          atomic.Uint64
	passed, unsent, delivered, dropped, wills atomic.Uint64
	bytesIn, bytesOut, waits                  atomic.Uint64
}

// Stats returns the counts. Safe for concurrent use.
func (s *Server) Stats() Stats {
	n := &s.stats
	connects := map[wire.Reason]uint64{}
	for reason := range n.connects {
		if count := n.connects[reason].Load(); count > 0 {
			connects[wire.Reason(reason)] = count
		}
	}
	return Stats{
		Connections: n.connections.Load(), Connects: connects,
		RefusedRate: n.refusedRate.Load(), RefusedFull: n.refusedFull.Load(), Takeovers: n.takeovers.Load(),
		Lost: n.lost.Load(), Silent: n.silent.Load(),
		PublishesQoS0: n.qos0.Load(), PublishesQoS1: n.qos1.Load(), Denied: n.denied.Load(),
		Passed: n.passed.Load(), Unsent: n.unsent.Load(), Delivered: n.delivered.Load(), Dropped: n.dropped.Load(),
		Wills: n.wills.Load(), BytesIn: n.bytesIn.Load(), BytesOut: n.bytesOut.Load(), Waits: n.waits.Load(),
	}
}
