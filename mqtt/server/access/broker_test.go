package access_test

import (
	"bytes"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

// client is a connection to a real broker, MQTT 5, that sends one packet at a
// time and waits for the answer.
type client struct {
	t    testing.TB
	conn net.Conn
	got  []string // topics of the messages that came meanwhile
}

// dial connects; ok is false when the broker refuses the name or password. No
// user name is sent for "", no password for nil.
func dial(t testing.TB, addr, user string, password []byte, id string) (c *client, ok bool) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c = &client{t: t, conn: conn}
	connect := &packets.Connect{
		ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: id, CleanStart: true, KeepAlive: 60,
		UsernameFlag: user != "", Username: user, PasswordFlag: password != nil, Password: password,
		Properties: &packets.Properties{},
	}
	ack := c.ask(connect, packets.CONNACK).(*packets.Connack)
	return c, ack.ReasonCode == 0
}

// publish tells whether the broker took a message.
func (c *client) publish(topic string) bool {
	c.t.Helper()
	p := &packets.Publish{Topic: topic, QoS: 1, PacketID: 1, Payload: []byte("x"), Properties: &packets.Properties{}}
	return c.ask(p, packets.PUBACK).(*packets.Puback).ReasonCode < 0x80
}

// subscribe tells whether the broker granted the subscription.
func (c *client) subscribe(filter string) bool {
	c.t.Helper()
	p := &packets.Subscribe{
		PacketID: 2, Properties: &packets.Properties{},
		Subscriptions: []packets.SubOptions{{Topic: filter}},
	}
	return c.ask(p, packets.SUBACK).(*packets.Suback).Reasons[0] < 0x80
}

func (c *client) unsubscribe(filter string) {
	c.t.Helper()
	p := &packets.Unsubscribe{PacketID: 3, Properties: &packets.Properties{}, Topics: []string{filter}}
	c.ask(p, packets.UNSUBACK)
}

// received returns the topics that came since the last call. The broker has one
// thread: what it was given before the PINGREQ is in front of the PINGRESP.
func (c *client) received() []string {
	c.t.Helper()
	c.ask(&packets.Pingreq{}, packets.PINGRESP)
	got := c.got
	c.got = nil
	return got
}

func (c *client) ask(request packets.Packet, answer byte) packets.Packet {
	c.t.Helper()
	var b bytes.Buffer
	if _, err := request.WriteTo(&b); err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.conn.Write(b.Bytes()); err != nil {
		c.t.Fatal(err)
	}
	c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		p, err := packets.ReadPacket(c.conn)
		if err != nil {
			c.t.Fatalf("waiting for packet type %d: %v", answer, err)
		}
		if p.Type == answer {
			return p.Content
		}
		if m, ok := p.Content.(*packets.Publish); ok {
			c.got = append(c.got, m.Topic)
			continue
		}
		c.t.Fatalf("packet of type %d, want %d", p.Type, answer)
	}
}
