package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"sluice/mqtt"
)

// registerSource exports the counts of the MQTT session.
func registerSource(reg prometheus.Registerer, s *mqtt.Source) {
	for _, c := range []struct {
		name, help string
		value      func(mqtt.Stats) uint64
	}{
		{"connects", "Sessions opened with the broker.", func(s mqtt.Stats) uint64 { return s.Connects }},
		{"reads", "Reads of the connection that brought messages.", func(s mqtt.Stats) uint64 { return s.Reads }},
		{"received_qos0", "QoS 0 messages received.", func(s mqtt.Stats) uint64 { return s.ReceivedQoS0 }},
		{"received_qos1", "QoS 1 messages received, redelivered ones again.", func(s mqtt.Stats) uint64 { return s.ReceivedQoS1 }},
		{"acked", "PUBACKs written.", func(s mqtt.Stats) uint64 { return s.Acked }},
		{"dropped_qos0", "QoS 0 messages given up while the queue did not take them.", func(s mqtt.Stats) uint64 { return s.DroppedQoS0 }},
		{"cut", "Payloads too large to keep, cut short.", func(s mqtt.Stats) uint64 { return s.Cut }},
		{"holds", "Pauses of reading because the broker sent more than the receive maximum.", func(s mqtt.Stats) uint64 { return s.Holds }},
		{"stale", "Messages sent for a subscription of an earlier configuration.", func(s mqtt.Stats) uint64 { return s.Stale }},
	} {
		reg.MustRegister(prometheus.NewCounterFunc(
			prometheus.CounterOpts{Namespace: "sluice", Subsystem: "mqtt", Name: c.name + "_total", Help: c.help},
			func() float64 { return float64(c.value(s.Stats())) }))
	}
}
