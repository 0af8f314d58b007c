package users_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

const within = 30 * time.Second

// client is a connection to a broker or the front door.
type client struct {
	testing.TB
	*paho.Client

	received chan string   // topics
	ended    chan struct{} // closed when the other side has ended the connection
}

// connect returns the reason code, of which 0 is success.
func connect(t testing.TB, address, user, password string) (*client, byte) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	must(t, err)
	c := &client{TB: t, received: make(chan string, 1000), ended: make(chan struct{})}
	c.Client = paho.NewClient(paho.ClientConfig{
		Conn: conn, PacketTimeout: within, ClientID: user,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			c.received <- p.Packet.Topic
			return true, nil
		}},
	})
	ack, err := c.Connect(t.Context(), &paho.Connect{
		ClientID: user, CleanStart: true, KeepAlive: 60, Username: user, UsernameFlag: true, Password: []byte(password), PasswordFlag: true,
	})
	if err != nil {
		conn.Close()
		if ack == nil {
			t.Fatalf("%s: no CONNACK: %v", user, err)
		}
		return nil, ack.ReasonCode
	}
	go func() { <-c.Done(); close(c.ended) }()
	t.Cleanup(func() { conn.Close(); <-c.ended })
	return c, ack.ReasonCode
}

// publish returns the reason code of PUBACK.
func (c *client) publish(topic string) byte {
	c.Helper()
	ack, err := c.Publish(c.Context(), &paho.Publish{Topic: topic, QoS: 1, Payload: []byte("x")})
	if ack == nil {
		c.Fatalf("%s: no PUBACK: %v", topic, err)
	}
	return ack.ReasonCode
}

// subscribe returns the reason code of SUBACK.
func (c *client) subscribe(filter string) byte {
	c.Helper()
	ack, err := c.Subscribe(c.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: 1}}})
	if ack != nil {
		return ack.Reasons[0]
	}
	if !errors.Is(err, paho.ErrInvalidArguments) || !strings.HasPrefix(filter, "$share/") {
		c.Fatalf("%s: no SUBACK: %v", filter, err)
	}
	return 0x9e // the server's CONNACK has said that there are none, so the library sends nothing
}

// until returns the topics that come before this one, and it.
func (c *client) until(topic string) []string {
	c.Helper()
	var topics []string
	for {
		select {
		case got := <-c.received:
			topics = append(topics, got)
			if got == topic {
				return topics
			}
		case <-time.After(within):
			c.Fatalf("got %q, want %s too", topics, topic)
		}
	}
}

// ends waits until the other side has ended the connection.
func (c *client) ends() {
	c.Helper()
	select {
	case <-c.ended:
	case <-time.After(within):
		c.Fatal("the connection is still open")
	}
}
