package mqtt

import (
	"github.com/eclipse/paho.golang/packets"

	"sluice"
)

// pubackSize is a PUBACK without reason code and properties, which mean success
// [MQTT 3.4.2.1].
const pubackSize = 4

// Ack implements sluice.Session. An error ends the session; the broker sends
// again what it has not seen acknowledged.
func (s *session) Ack(ds []sluice.Delivery) error {
	s.acks = appendPubacks(s.acks[:0], ds)
	if len(s.acks) == 0 {
		return nil
	}
	n := len(s.acks) / pubackSize
	if err := s.write(s.acks); err != nil {
		return err
	}
	s.unacked.Add(-int64(n))
	select {
	case s.room <- struct{}{}:
	default:
	}
	s.counters.acked.Add(uint64(n))
	return nil
}

// appendPubacks appends a PUBACK for each QoS 1 message, in order
// [MQTT-4.6.0-2].
func appendPubacks(b []byte, ds []sluice.Delivery) []byte {
	for i := range ds {
		if ds[i].QoS == 1 {
			id := ds[i].PacketID
			b = append(b, packets.PUBACK<<4, pubackSize-2, byte(id>>8), byte(id))
		}
	}
	return b
}
