package wire

import (
	"bytes"
	"io"
	"testing"

	"github.com/eclipse/paho.golang/packets"
	"github.com/google/go-cmp/cmp"
)

// The codec of paho.golang, for MQTT 5 only, shares nothing with this one: each
// must read what the other writes as it was meant.

// fromPaho returns the bytes that paho.golang writes.
func fromPaho(t testing.TB, content io.WriterTo) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := content.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// toPaho has paho.golang read exactly raw.
func toPaho(t testing.TB, raw []byte) packets.Packet {
	t.Helper()
	in := bytes.NewReader(raw)
	p, err := packets.ReadPacket(in)
	if err != nil || in.Len() > 0 {
		t.Fatalf("paho.golang on % x: %v, %d bytes left", raw, err, in.Len())
	}
	return p.Content
}

var pahoUser = []packets.User{{Key: "k", Value: "1"}, {Key: "k", Value: "2"}}

func TestPaho_ItsPackets_AreRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		sent io.WriterTo
		want any
	}{
		{
			"CONNECT", &packets.Connect{
				ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: "dev", CleanStart: true, KeepAlive: 30, UsernameFlag: true,
				Username: "user", PasswordFlag: true, Password: []byte("secret"), WillFlag: true, WillTopic: "lwt", WillQOS: 1,
				WillRetain: true, WillMessage: []byte("gone"),
				Properties: &packets.Properties{
					SessionExpiryInterval: new(uint32(7)), ReceiveMaximum: new(uint16(8)), MaximumPacketSize: new(uint32(9)),
					TopicAliasMaximum: new(uint16(10)), RequestProblemInfo: new(byte(0)), User: pahoUser,
				},
				WillProperties: &packets.Properties{WillDelayInterval: new(uint32(11))},
			},
			Connect{
				Version: V5, ClientID: "dev", CleanStart: true, KeepAlive: 30, HasUser: true, User: "user", HasPassword: true,
				Password: []byte("secret"), HasSessionExpiry: true, SessionExpiry: 7, ReceiveMaximum: 8, MaximumPacketSize: 9, TopicAliasMaximum: 10,
				Will: &Will{Topic: "lwt", Payload: []byte("gone"), QoS: 1, Retain: true, Delay: 11},
			},
		},
		{
			"SUBSCRIBE", &packets.Subscribe{
				PacketID: 3, Properties: &packets.Properties{SubscriptionIdentifier: new(300), User: pahoUser},
				Subscriptions: []packets.SubOptions{{Topic: "a/+", QoS: 1, NoLocal: true}, {Topic: "$share/g/#", RetainAsPublished: true, RetainHandling: 2}},
			},
			Subscribe{PacketID: 3, SubscriptionID: 300, Filters: []Subscription{
				{Filter: "a/+", QoS: 1, NoLocal: true}, {Filter: "$share/g/#", RetainAsPublished: true, RetainHandling: 2},
			}},
		},
		{
			"UNSUBSCRIBE", &packets.Unsubscribe{PacketID: 4, Topics: []string{"a", "b"}, Properties: &packets.Properties{User: pahoUser}},
			Unsubscribe{PacketID: 4, Filters: []string{"a", "b"}},
		},
		{"PUBACK", &packets.Puback{PacketID: 5, ReasonCode: 0x97, Properties: &packets.Properties{ReasonString: "why"}}, Puback{5, QuotaExceeded}},
		{"DISCONNECT", &packets.Disconnect{ReasonCode: 4, Properties: &packets.Properties{SessionExpiryInterval: new(uint32(6))}}, Disconnect{Reason: DisconnectWithWill, HasSessionExpiry: true, SessionExpiry: 6}},
		{"PINGREQ", &packets.Pingreq{}, nil},
		{"PUBLISH", &packets.Publish{Topic: "a", QoS: 1, PacketID: 6, Retain: true, Payload: []byte("x"), Properties: &packets.Properties{}}, Publish{Topic: []byte("a"), QoS: 1, PacketID: 6, Retain: true, Payload: []byte("x")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parsePacket(V5, mustSplit(t, fromPaho(t, c.sent)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestPaho_ReadsOurPackets(t *testing.T) {
	t.Parallel()
	empty := &packets.Properties{}
	for _, c := range []struct {
		name string
		raw  []byte
		want packets.Packet
	}{
		{
			"CONNACK", AppendConnack(nil, V5, Connack{
				SessionPresent: true, HasSessionExpiry: true, SessionExpiry: 1, ReceiveMaximum: 2, NoQoS2: true, MaximumPacketSize: 3,
				AssignedClientID: "id", TopicAliasMaximum: 4, HasServerKeepAlive: true, ServerKeepAlive: 5, NoRetain: true,
				NoWildcard: true, NoSubscriptionIDs: true, NoShared: true, ReasonString: "why",
			}),
			&packets.Connack{SessionPresent: true, Properties: &packets.Properties{
				SessionExpiryInterval: new(uint32(1)), ReceiveMaximum: new(uint16(2)), MaximumQOS: new(byte(1)), MaximumPacketSize: new(uint32(3)),
				AssignedClientID: "id", TopicAliasMaximum: new(uint16(4)), ServerKeepAlive: new(uint16(5)), RetainAvailable: new(byte(0)),
				WildcardSubAvailable: new(byte(0)), SubIDAvailable: new(byte(0)), SharedSubAvailable: new(byte(0)), ReasonString: "why",
			}},
		},
		{"PUBACK", AppendPuback(nil, V5, 7, Success), &packets.Puback{PacketID: 7, Properties: empty}},
		{"SUBACK", AppendSuback(nil, V5, 8, GrantedQoS1, NotAuthorized), &packets.Suback{PacketID: 8, Reasons: []byte{1, 0x87}, Properties: empty}},
		{"UNSUBACK", AppendUnsuback(nil, V5, 9, NoSubscriptionExisted), &packets.Unsuback{PacketID: 9, Reasons: []byte{0x11}, Properties: empty}},
		{"DISCONNECT", AppendDisconnect(nil, V5, Disconnect{Reason: SessionTakenOver, ReasonString: "why"}), &packets.Disconnect{ReasonCode: 0x8E, Properties: &packets.Properties{ReasonString: "why"}}},
		{"PINGRESP", AppendPingresp(nil), &packets.Pingresp{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, toPaho(t, c.raw)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// A PUBLISH from one paho.golang client to another, through this codec.
func TestPaho_Publish_IsForwardedUnaltered(t *testing.T) {
	t.Parallel()
	sent := &packets.Publish{
		Topic: "a/b", QoS: 1, PacketID: 9, Payload: bytes.Repeat([]byte("x"), 20000),
		Properties: &packets.Properties{
			PayloadFormat: new(byte(1)), MessageExpiry: new(uint32(60)), ContentType: "text", ResponseTopic: "r",
			CorrelationData: []byte{0, 0xFF}, TopicAlias: new(uint16(5)), User: pahoUser,
		},
	}
	var m Publish
	if err := ParsePublish(V5, mustSplit(t, fromPaho(t, sent)), &m); err != nil {
		t.Fatal(err)
	}
	m.PacketID, m.SubscriptionIDs, m.Expiry = 10, []uint32{300}, m.Expiry-1
	want := *sent
	want.PacketID = 10
	want.Properties.TopicAlias = nil
	want.Properties.MessageExpiry = new(uint32(59))
	want.Properties.SubscriptionIdentifier = new(300)
	if diff := cmp.Diff(&want, toPaho(t, AppendPublish(nil, V5, &m))); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
