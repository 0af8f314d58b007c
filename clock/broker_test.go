package clock_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"sluice/clock"
	"sluice/internal/testenv"
)

// client is a connection to a real broker that publishes and listens.
type client struct {
	*paho.Client
	pulses chan *paho.Publish
}

func connect(t *testing.T, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{pulses: make(chan *paho.Publish, 10)}
	c.Client = paho.NewClient(paho.ClientConfig{
		Conn: conn,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			c.pulses <- p.Packet
			return true, nil
		}},
	})
	if _, err := c.Connect(t.Context(), &paho.Connect{CleanStart: true, KeepAlive: 30}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Disconnect(&paho.Disconnect{}) })
	return c
}

// Publish makes a client a clock.Publisher.
func (c *client) Publish(ctx context.Context, topic string, payload []byte, qos byte) error {
	_, err := c.Client.Publish(ctx, &paho.Publish{Topic: topic, QoS: qos, Payload: payload})
	return err
}

func TestClock_PulsesReachSubscribers(t *testing.T) {
	t.Parallel()
	broker := testenv.Mosquitto(t)
	device := connect(t, broker.Addr())
	_, err := device.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "pulse", QoS: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := clock.New(clock.Config{Publisher: connect(t, broker.Addr()), Interval: 50 * time.Millisecond, Count: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		select {
		case p := <-device.pulses:
			if p.Topic != "pulse" || len(p.Payload) != 0 || p.QoS != 1 || p.Retain {
				t.Errorf("got %v, want an empty pulse at QoS 1, not retained", p)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("a pulse did not arrive within 10 s")
		}
	}
}
