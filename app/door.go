package app

import (
	"errors"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"sluice"
	"sluice/config"
	"sluice/mqtt/server"
	"sluice/mqtt/server/access"
	"sluice/mqtt/server/wire"
	"sluice/presence"
)

// newDoor makes the front door. Its addresses are bound when the router opens it.
func (s *BatchRouter) newDoor(mux *sluice.Mux, keeper *presence.Keeper, queue queueStore) (way, error) {
	c, err := s.doorConfig(mux, keeper)
	if err != nil {
		return way{}, err
	}
	c.Registry = queue
	door := server.New(c)
	return way{
		name: "door", source: door, close: door.Close,
		door:     &sluice.Door{Clients: queue, Grace: s.config.Presence.ReconnectGrace},
		register: func(reg prometheus.Registerer) { registerDoor(reg, door) },
	}, nil
}

// doorPacket is what a packet may have beside its payload, in bytes.
const doorPacket = 4 << 10

func (s *BatchRouter) doorConfig(mux *sluice.Mux, keeper *presence.Keeper) (server.Config, error) {
	l, p := s.config.Listen, s.config.Presence
	c := server.Config{
		Routed: func(topic string) bool { _, i := mux.Match(topic); return i >= 0 },
		Will: func(topic string, payload []byte) (*sluice.ClientWill, error) {
			return readWill(mux, keeper, topic, payload)
		},
		Sync: keeper.Sync(), Now: keeper.Now, Grace: p.ReconnectGrace,
		Presence:   sluice.PresenceSettings{MaxDevices: p.MaxDevices, Events: p.LWT},
		MaxClients: l.MaxClients, MaxConnections: l.MaxConnections, Rate: l.ConnectRate, Burst: 2 * l.ConnectRate,
		ReceiveMaximum: l.ReceiveMaximum, MaxKeepAlive: l.MaxKeepAlive, SessionExpiry: l.SessionExpiry,
		UserIsClient: l.UserIsClient, MaxQueued: l.SubscriberQueue.Messages, MaxQueuedBytes: l.SubscriberQueue.Bytes,
		Gather: s.config.Gather, Logger: s.log,
	}
	if l.SubscriberQueue.OnFull == "disconnect" {
		c.OnFull = server.Disconnect
	}
	for _, r := range mux.Routes() {
		c.MaxPacket = min(max(c.MaxPacket, r.MaxPayload+doorPacket), wire.MaxPacket)
	}
	var err error
	if l.Users != "" || l.ACL != "" {
		c.Access, err = access.Open(access.Files{Passwords: l.Users, ACL: l.ACL}, s.log)
	}
	for _, a := range l.Addresses {
		one, wrong := s.listener(a)
		c.Listeners, err = append(c.Listeners, one), errors.Join(err, wrong)
	}
	return c, err
}

func (s *BatchRouter) listener(a config.ListenAddress) (l server.Listener, err error) {
	l.Address = a.Address
	if a.TLS.Given() {
		l.TLS, err = server.TLS(a.TLS.Cert, a.TLS.Key, a.TLS.ClientCA, s.log)
	}
	return l, err
}

// listens are the attributes of a log line that tell the addresses of the front door.
func listens(l config.Listen) []any {
	if !l.Given() {
		return nil
	}
	return []any{"listen", addressesOf(l)}
}

// addressesOf are the addresses of the front door, for people.
func addressesOf(l config.Listen) []string {
	addresses := make([]string, len(l.Addresses))
	for i, a := range l.Addresses {
		addresses[i] = a.Address
		if a.TLS.Given() {
			addresses[i] += " (TLS)"
		}
	}
	return addresses
}

// readWill decodes a last will on the reserved topics of wills; nil for one on another
// topic.
func readWill(mux *sluice.Mux, keeper *presence.Keeper, topic string, payload []byte) (*sluice.ClientWill, error) {
	first, device, _ := strings.Cut(topic, "/")
	if route, i := mux.Match(topic); first != sluice.TopicWill || route != nil || i < 0 {
		return nil, nil
	}
	m, bad := keeper.Read(sluice.MoveWill, device, payload)
	if bad != nil {
		return nil, errors.New(bad.Reason)
	}
	return &sluice.ClientWill{Device: m.Device, Delay: m.Delay}, nil
}

// registerDoor exports the counts of the front door.
func registerDoor(reg prometheus.Registerer, s *server.Server) {
	gaugeOf(reg, "door_connections", "Connections of devices.", func() float64 { return float64(s.Stats().Connections) })
	for _, c := range []struct {
		name, help string
		value      func(server.Stats) uint64
	}{
		{"refused_rate", "Connections closed at once for the rate of their address.", func(s server.Stats) uint64 { return s.RefusedRate }},
		{"refused_full", "Connections closed at once because there were too many.", func(s server.Stats) uint64 { return s.RefusedFull }},
		{"takeovers", "Connections ended by a newer one of their client.", func(s server.Stats) uint64 { return s.Takeovers }},
		{"lost", "Connections that ended without a DISCONNECT.", func(s server.Stats) uint64 { return s.Lost }},
		{"silent", "Connections whose keepalive ran out.", func(s server.Stats) uint64 { return s.Silent }},
		{"publishes_qos0", "QoS 0 messages of clients.", func(s server.Stats) uint64 { return s.PublishesQoS0 }},
		{"publishes_qos1", "QoS 1 messages of clients, those sent again included.", func(s server.Stats) uint64 { return s.PublishesQoS1 }},
		{"denied", "Messages that the access list forbids.", func(s server.Stats) uint64 { return s.Denied }},
		{"passed", "Messages without a route, passed on to subscribers.", func(s server.Stats) uint64 { return s.Passed }},
		{"unsent", "Messages passed on here that other replicas could not be told.", func(s server.Stats) uint64 { return s.Unsent }},
		{"delivered", "Messages written to subscribers.", func(s server.Stats) uint64 { return s.Delivered }},
		{"dropped", "Messages that a slow subscriber did not get.", func(s server.Stats) uint64 { return s.Dropped }},
		{"wills", "Last wills that were published.", func(s server.Stats) uint64 { return s.Wills }},
		{"bytes_in", "Bytes of MQTT received.", func(s server.Stats) uint64 { return s.BytesIn }},
		{"bytes_out", "Bytes of MQTT sent.", func(s server.Stats) uint64 { return s.BytesOut }},
		{"waits", "Pauses of reading a connection, because the queue was behind.", func(s server.Stats) uint64 { return s.Waits }},
	} {
		reg.MustRegister(prometheus.NewCounterFunc(
			prometheus.CounterOpts{Namespace: "sluice", Subsystem: "door", Name: c.name + "_total", Help: c.help},
			func() float64 { return float64(c.value(s.Stats())) }))
	}
	reg.MustRegister(connectsCollector{s})
}

// connectsCollector counts CONNECTs by what became of them.
type connectsCollector struct{ server *server.Server }

func connectsDesc() *prometheus.Desc {
	return prometheus.NewDesc("sluice_door_connects_total", "CONNECTs, by the reason code of their CONNACK.", []string{"reason"}, nil)
}

// Describe implements prometheus.Collector.
func (c connectsCollector) Describe(ch chan<- *prometheus.Desc) { ch <- connectsDesc() }

// Collect implements prometheus.Collector.
func (c connectsCollector) Collect(ch chan<- prometheus.Metric) {
	for reason, n := range c.server.Stats().Connects {
		ch <- prometheus.MustNewConstMetric(connectsDesc(), prometheus.CounterValue, float64(n), reason.String())
	}
}
