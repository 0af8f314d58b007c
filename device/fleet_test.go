package device_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"sluice/device"
	"sluice/gen/msg"
	"sluice/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const within = 15 * time.Second

// listener is a subscriber to everything that remembers what it received.
type listener struct {
	client *paho.Client

	mu       sync.Mutex // guards the rest
	received map[string][][]byte
	arrivals []arrival
}

// arrival is a message of any topic.
type arrival struct {
	topic string
	at    time.Time
}

func listen(t testing.TB, addr string) *listener {
	t.Helper()
	return listenAs(t, addr, &paho.Connect{ClientID: "listener", CleanStart: true, KeepAlive: 30})
}

func listenAs(t testing.TB, addr string, as *paho.Connect) *listener {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{received: map[string][][]byte{}}
	l.client = paho.NewClient(paho.ClientConfig{
		Conn:              conn,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){l.receive},
	})
	if _, err := l.client.Connect(t.Context(), as); err != nil {
		t.Fatal(err)
	}
	_, err = l.client.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "#", QoS: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.client.Disconnect(&paho.Disconnect{}) })
	return l
}

func (l *listener) receive(p paho.PublishReceived) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.received[p.Packet.Topic] = append(l.received[p.Packet.Topic], p.Packet.Payload)
	l.arrivals = append(l.arrivals, arrival{p.Packet.Topic, time.Now()})
	return true, nil
}

func (l *listener) on(topic string) [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([][]byte(nil), l.received[topic]...)
}

func (l *listener) count(topic string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.received[topic])
}

// of returns what came of one device on connect and lwt, in order.
func (l *listener) of(name string) []arrival {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []arrival
	for _, a := range l.arrivals {
		if a.topic == "connect/"+name || a.topic == "lwt/"+name {
			all = append(all, a)
		}
	}
	return all
}

func (l *listener) pulse(t *testing.T) {
	t.Helper()
	if _, err := l.client.Publish(t.Context(), &paho.Publish{Topic: "pulse", QoS: 1}); err != nil {
		t.Fatal(err)
	}
}

// readings decodes what came on a topic.
func (l *listener) readings(t *testing.T, topic string) []*msg.SensorData {
	t.Helper()
	var all []*msg.SensorData
	for _, payload := range l.on(topic) {
		r := &msg.SensorData{}
		if err := proto.Unmarshal(payload, r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// start runs a fleet until the test or the returned function ends it.
func start(t testing.TB, cfg device.Config) (*device.Fleet, func()) {
	t.Helper()
	fleet, err := device.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- fleet.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return fleet, stop
}

// atLeast waits until got returns want or more.
func atLeast(t testing.TB, what string, want int, got func() int) {
	t.Helper()
	testenv.Eventually(t, within, func() error {
		if n := got(); n < want {
			return fmt.Errorf("got %d %s, want %d", n, what, want)
		}
		return nil
	})
}

func TestFleet_AnswersEveryPulse(t *testing.T) {
	t.Parallel()
	broker := testenv.Mosquitto(t)
	l := listen(t, broker.Addr())
	fleet, stop := start(t, device.Config{Address: broker.Addr(), Count: 10, Prefix: "d-"})
	atLeast(t, "devices", 10, func() int { return fleet.Stats().Connected })
	atLeast(t, "connects", 10, func() int { return len(l.on("connect")) }) // the broker may be behind
	if n := len(l.on("connect")); n != 10 {
		t.Errorf("got %d connects, want 10", n)
	}

	for i := 1; i <= 4; i++ {
		l.pulse(t)
		atLeast(t, "readings", 10*i, func() int { return len(l.on("data/sensor")) })
	}
	stop()

	type key struct {
		device string
		epoch  int64
	}
	perDevice, keys := map[string]int{}, map[key]bool{}
	now := time.Now().Unix()
	for _, r := range l.readings(t, "data/sensor") {
		perDevice[r.Device]++
		keys[key{r.Device, r.Epoch}] = true
		if r.Epoch < now-60 || r.Epoch > now {
			t.Errorf("%s: epoch %d, now is %d", r.Device, r.Epoch, now)
		}
		if !(r.Temp > -10 && r.Temp < 50 && r.Rh >= 5 && r.Rh <= 100) {
			t.Errorf("%s: implausible %v degC, %v %%", r.Device, r.Temp, r.Rh)
		}
	}
	want := map[string]int{}
	for n := 1; n <= 10; n++ {
		want[fmt.Sprintf("d-%04d", n)] = 4
	}
	if diff := cmp.Diff(want, perDevice); diff != "" {
		t.Errorf("readings per device (-want +got):\n%s", diff)
	}
	if len(keys) != 40 {
		t.Errorf("got %d distinct (device, epoch) of 40", len(keys))
	}
	if s := fleet.Stats(); s.Taken != 40 || s.Acked != 40 || s.Kept != 0 || s.Connected != 0 {
		t.Errorf("got %+v, want 40 taken and acked, none kept or connected", s)
	}
	if wills := l.on("lwt"); len(wills) != 0 {
		t.Errorf("got %d wills after a clean end, want 0", len(wills))
	}
}

func TestFleet_UncleanEndPublishesWills(t *testing.T) {
	t.Parallel()
	broker := testenv.Mosquitto(t)
	l := listen(t, broker.Addr())
	fleet, stop := start(t, device.Config{Address: broker.Addr(), Count: 3, Delay: 7 * time.Second, OwnTopics: true, Unclean: true})
	atLeast(t, "devices", 3, func() int { return fleet.Stats().Connected })

	will := func(name string) {
		t.Helper()
		atLeast(t, "wills of "+name, 1, func() int { return len(l.on("lwt/" + name)) })
		got := &msg.LWT{}
		if err := proto.Unmarshal(l.on("lwt/" + name)[0], got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&msg.LWT{Device: name, Delay: 7}, got, protocmp.Transform()); diff != "" {
			t.Errorf("will (-want +got):\n%s", diff)
		}
	}
	if err := fleet.Crash("device-0002"); err != nil {
		t.Fatal(err)
	}
	will("device-0002")
	if n := len(l.on("lwt/device-0001")); n != 0 {
		t.Errorf("got %d wills of a device that runs, want 0", n)
	}
	stop()
	will("device-0001")
	will("device-0003")
	if err := fleet.Crash("nobody"); err == nil {
		t.Error("Crash of an unknown device: got no error")
	}
}

func TestFleet_ReadingsOfAnOutageArriveAfterIt(t *testing.T) {
	t.Parallel()
	broker := testenv.Mosquitto(t)
	fleet, stop := start(t, device.Config{Address: broker.Addr(), Count: 4, Interval: 500 * time.Millisecond})
	atLeast(t, "devices", 4, func() int { return fleet.Stats().Connected })
	l := listen(t, broker.Addr())
	atLeast(t, "readings", 4, func() int { return len(l.on("data/sensor")) })

	broker.Kill()
	atLeast(t, "readings kept", 8, func() int { return fleet.Stats().Kept })
	broker.Start()
	after := listen(t, broker.Addr())
	testenv.Eventually(t, 3*within, func() error {
		if s := fleet.Stats(); s.Kept != 0 || s.Connected != 4 {
			return fmt.Errorf("%v", s)
		}
		return nil
	})
	stop()

	s := fleet.Stats()
	if s.Acked != s.Taken || s.Dropped != 0 {
		t.Errorf("got %v, want all readings acked", s)
	}
	last := map[string]int64{}
	distinct := map[string]bool{}
	for _, r := range append(l.readings(t, "data/sensor"), after.readings(t, "data/sensor")...) {
		distinct[fmt.Sprint(r.Device, r.Epoch)] = true
		if r.Epoch < last[r.Device] {
			t.Errorf("%s: epoch %d came after %d", r.Device, r.Epoch, last[r.Device])
		}
		last[r.Device] = r.Epoch
	}
	if int64(len(distinct)) != s.Taken {
		t.Errorf("got %d distinct readings, want %d", len(distinct), s.Taken)
	}
}

// A broker that takes a reading, never acknowledges it and cuts the connection:
// the device sends the same bytes again.
func TestFleet_ResendsTheSameBytes(t *testing.T) {
	t.Parallel()
	broker, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	fleet, stop := start(t, device.Config{Address: broker.Addr().String(), Count: 1, Interval: time.Hour})
	defer stop()

	pulse := &packets.Publish{Topic: "pulse", Properties: &packets.Properties{}}
	first := acceptReading(t, broker, pulse, 0xff)
	refused := acceptReading(t, broker, nil, 0x97) // quota exceeded: kept as well
	if diff := cmp.Diff(first, refused); diff != "" {
		t.Errorf("payload of the first and the second attempt (-first +second):\n%s", diff)
	}
	again := acceptReading(t, broker, nil, 0)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("payload of the first and the third attempt (-first +third):\n%s", diff)
	}
	atLeast(t, "acks", 1, func() int { return int(fleet.Stats().Acked) })
	if s := fleet.Stats(); s.Resent != 2 || s.Refused != 1 || s.Connects != 3 {
		t.Errorf("got %+v, want 2 resent, 1 refused, 3 connects", s)
	}
}

// acceptReading is a broker for one connection: it sends pulse, if not nil, and
// returns the payload of the first reading, which it answers with the code, or
// not at all with 0xff. Then it cuts the connection, unless the code is success.
func acceptReading(t *testing.T, broker net.Listener, pulse *packets.Publish, code byte) []byte {
	t.Helper()
	conn, err := broker.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if code == 0 {
		t.Cleanup(func() { conn.Close() })
	} else {
		defer conn.Close()
	}
	send := func(p packets.Packet) {
		t.Helper()
		if _, err := p.WriteTo(conn); err != nil {
			t.Fatal(err)
		}
	}
	for {
		p, err := packets.ReadPacket(conn)
		if err != nil {
			t.Fatal(err)
		}
		switch p := p.Content.(type) {
		case *packets.Connect:
			send(&packets.Connack{Properties: &packets.Properties{}})
		case *packets.Subscribe:
			send(&packets.Suback{PacketID: p.PacketID, Reasons: []byte{1}, Properties: &packets.Properties{}})
			if pulse != nil {
				send(pulse)
			}
		case *packets.Publish:
			if p.Topic == "data/sensor" && code == 0xff {
				return p.Payload
			}
			answer := &packets.Puback{PacketID: p.PacketID, Properties: &packets.Properties{}}
			if p.Topic == "data/sensor" {
				answer.ReasonCode = code
			}
			send(answer)
			if p.Topic == "data/sensor" {
				return p.Payload
			}
		}
	}
}

func TestFleet_EndsWithoutABroker(t *testing.T) {
	t.Parallel()
	fleet, err := device.New(device.Config{Address: "127.0.0.1:1", Count: 5})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := fleet.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestNew_RefusesBadConfig(t *testing.T) {
	for name, cfg := range map[string]device.Config{
		"no address":    {},
		"prefix":        {Address: "x:1", Prefix: "a/b"},
		"long prefix":   {Address: "x:1", Prefix: string(make([]byte, 70))},
		"interval":      {Address: "x:1", Interval: -1},
		"delay":         {Address: "x:1", Delay: time.Millisecond},
		"keepalive":     {Address: "x:1", KeepAlive: math.MaxUint16*time.Second + 1},
		"count":         {Address: "x:1", Count: -1},
		"nothing keeps": {Address: "x:1", Keep: -1},
		"drop of none":  {Address: "x:1", Drops: []device.Drop{{Device: 0}}},
		"drop of more":  {Address: "x:1", Count: 2, Drops: []device.Drop{{Device: 3}}},
		"drop before":   {Address: "x:1", Drops: []device.Drop{{Device: 1, At: -1}}},
	} {
		if _, err := device.New(cfg); err == nil {
			t.Errorf("%s: got no error", name)
		} else if errors.Unwrap(err) != nil {
			t.Errorf("%s: got a wrapped error %v", name, err)
		}
	}
}
