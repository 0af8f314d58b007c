package wire

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// head is a CONNECT up to its keep alive, of 10 s.
func head(level, flags byte) string { return str("MQTT") + string([]byte{level, flags, 0, 10}) }

func TestParseConnect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		raw  string
		want Connect
	}{
		{
			"3.1.1, the least", pkt(0x10, head(4, 2), str("dev-1")),
			Connect{Version: V311, ClientID: "dev-1", CleanStart: true, KeepAlive: 10, ReceiveMaximum: 65535, RequestProblem: true},
		},
		{
			"3.1.1, everything", pkt(0x10, head(4, 0xEC), str("dev-1"), str("lwt"), str("gone"), str("user"), str("secret")),
			Connect{
				Version: V311, ClientID: "dev-1", KeepAlive: 10, ReceiveMaximum: 65535, RequestProblem: true, SessionExpiry: NeverExpires,
				HasUser: true, User: "user", HasPassword: true, Password: []byte("secret"),
				Will: &Will{Topic: "lwt", Payload: []byte("gone"), QoS: 1, Retain: true},
			},
		},
		{
			"5, no client identifier [MQTT-3.1.3-6]", pkt(0x10, head(5, 0), props(), str("")),
			Connect{Version: V5, KeepAlive: 10, ReceiveMaximum: 65535, RequestProblem: true},
		},
		{
			"5, a password alone", pkt(0x10, head(5, 0x42), props(), str("d"), str("")),
			Connect{Version: V5, ClientID: "d", CleanStart: true, KeepAlive: 10, ReceiveMaximum: 65535, RequestProblem: true, HasPassword: true, Password: []byte{}},
		},
		{
			"5, all properties", pkt(
				0x10, head(5, 0x14),
				props("\x11\x00\x00\x0E\x10", "\x21\x00\x14", "\x27\x00\x01\x00\x00", "\x22\x00\x05", "\x19\x01", "\x17\x00",
					"\x26"+str("a")+str("b"), "\x26"+str("a")+str("c"), "\x15"+str("SCRAM"), "\x16"+str("\x00\xFF")),
				str("d"),
				props("\x18\x00\x00\x00\x3C", "\x01\x01", "\x02\x00\x00\x00\x09", "\x26"+str("k")+str("v")), str("lwt"), str("")),
			Connect{
				Version: V5, ClientID: "d", KeepAlive: 10, HasSessionExpiry: true, SessionExpiry: 3600, ReceiveMaximum: 20,
				MaximumPacketSize: 65536, TopicAliasMaximum: 5, RequestResponse: true,
				HasAuthMethod: true, AuthMethod: "SCRAM", AuthData: []byte("\x00\xFF"),
				Will: &Will{
					Topic: "lwt", Payload: []byte{}, QoS: 2, Delay: 60, HasExpiry: true, Expiry: 9,
					Properties: []byte("\x01\x01\x26" + str("k") + str("v")),
				},
			},
		},
		{
			"[MQTT-1.5.4-3] a byte order mark stays", pkt(0x10, head(4, 2), str("\uFEFFd")),
			Connect{Version: V311, ClientID: "\uFEFFd", CleanStart: true, KeepAlive: 10, ReceiveMaximum: 65535, RequestProblem: true},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseConnect(mustSplit(t, []byte(c.raw)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestParseConnect_KeepsNothingOfTheBuffer(t *testing.T) {
	t.Parallel()
	raw := []byte(pkt(0x10, head(5, 0xC4), props("\x15"+str("m"), "\x16"+str("data")), str("dev"),
		props("\x03"+str("text")), str("lwt"), str("gone"), str("user"), str("secret")))
	want, err := ParseConnect(mustSplit(t, []byte(string(raw))))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := ParseConnect(mustSplit(t, raw))
	clear(raw)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changed with the buffer: -want +got\n%s", diff)
	}
}

func TestParseConnect_Refuses(t *testing.T) {
	t.Parallel()
	v5 := func(properties string) string { return pkt(0x10, head(5, 2), props(properties), str("d")) }
	will := func(properties, topic string) string {
		return pkt(0x10, head(5, 6), props(), str("d"), props(properties), str(topic), str("x"))
	}
	refuseAll(t, []badCase{
		{"[MQTT-3.1.2-1] name", 0, pkt(0x10, str("mqtt"), "\x05\x02\x00\x0A\x00", str("d")), UnsupportedVersion},
		{"[MQTT-3.1.2-2] 3.1", 0, pkt(0x10, str("MQIsdp"), "\x03\x02\x00\x0A", str("d")), UnsupportedVersion},
		{"[MQTT-3.1.2-2] level 3", 0, pkt(0x10, head(3, 2), str("d")), UnsupportedVersion},
		{"[MQTT-3.1.2-2] level 6", 0, pkt(0x10, head(6, 2), str("d")), UnsupportedVersion},
		{"[MQTT-3.1.2-3] reserved flag, 3.1.1", 0, pkt(0x10, head(4, 3), str("d")), MalformedPacket},
		{"[MQTT-3.1.2-3] reserved flag, 5", 0, pkt(0x10, head(5, 3), props(), str("d")), MalformedPacket},
		{"[MQTT-3.1.2-11] will QoS without will", 0, pkt(0x10, head(5, 0x0A), props(), str("d")), MalformedPacket},
		{"[MQTT-3.1.2-13] will retain without will", 0, pkt(0x10, head(4, 0x22), str("d")), MalformedPacket},
		{"[MQTT-3.1.2-12] will QoS 3", 0, pkt(0x10, head(4, 0x1E), str("d"), str("lwt"), str("")), MalformedPacket},
		{"[MQTT311-3.1.2-22] password without user", 0, pkt(0x10, head(4, 0x42), str("d"), str("p")), MalformedPacket},
		{"[MQTT311-3.1.3-8] no client identifier, not clean", 0, pkt(0x10, head(4, 0), str("")), ClientIDNotValid},
		{"no client identifier at all [MQTT-3.1.3-3]", 0, pkt(0x10, head(4, 2)), MalformedPacket},
		{"[MQTT-3.1.3-4] client identifier", 0, pkt(0x10, head(4, 2), str("\xFF")), MalformedPacket},
		{"[MQTT-1.5.4-2] client identifier", 0, pkt(0x10, head(4, 2), str("a\x00b")), MalformedPacket},
		{"[MQTT-3.1.3-11] will topic", 0, will("", "\xED\xA0\x80"), MalformedPacket},
		{"[MQTT-4.7.0-1] will topic", 0, will("", "a/+"), MalformedPacket},
		{"[MQTT-4.7.3-1] will topic", 0, will("", ""), ProtocolError},
		{"will without payload [MQTT-3.1.2-9]", 0, pkt(0x10, head(4, 6), str("d"), str("lwt")), MalformedPacket},
		{"[MQTT-3.1.3-12] user", 0, pkt(0x10, head(4, 0x82), str("d"), str("\xC0\x80")), MalformedPacket},
		{"user flag without user [MQTT-3.1.2-17]", 0, pkt(0x10, head(4, 0x82), str("d")), MalformedPacket},
		{"user without flag [MQTT-3.1.2-16]", 0, pkt(0x10, head(4, 0x02), str("d"), str("u")), MalformedPacket},
		{"password flag without password [MQTT-3.1.2-19]", 0, pkt(0x10, head(4, 0xC2), str("d"), str("u")), MalformedPacket},
		{"password without flag [MQTT-3.1.2-18]", 0, pkt(0x10, head(4, 0x82), str("d"), str("u"), str("p")), MalformedPacket},
		{"cut in the keep alive", 0, pkt(0x10, str("MQTT"), "\x04\x02\x00"), MalformedPacket},
		{"5 without property length [MQTT-2.2.2-1]", 0, pkt(0x10, head(5, 2)), MalformedPacket},
		{"properties longer than the packet", 0, pkt(0x10, head(5, 2), "\x7F", str("d")), MalformedPacket},
		{"[MQTT-1.5.5-1] property length", 0, pkt(0x10, head(5, 2), "\x80\x00", str("d")), MalformedPacket},
		{"property length of five bytes", 0, pkt(0x10, head(5, 2), "\x80\x80\x80\x80\x01", str("d")), MalformedPacket},
		{"property cut", 0, v5("\x11\x00\x00"), MalformedPacket},
		{"property of another packet", 0, v5("\x23\x00\x01"), MalformedPacket},
		{"property of a server", 0, v5("\x24\x01"), MalformedPacket},
		{"property that does not exist", 0, v5("\x7E\x01"), MalformedPacket},
		{"property identifier of two bytes", 0, v5("\x91\x00\x00\x00\x00\x00"), MalformedPacket},
		{"will property outside the will", 0, v5("\x18\x00\x00\x00\x01"), MalformedPacket},
		{"session expiry twice", 0, v5("\x11\x00\x00\x00\x01\x11\x00\x00\x00\x01"), ProtocolError},
		{"receive maximum 0", 0, v5("\x21\x00\x00"), ProtocolError},
		{"maximum packet size 0", 0, v5("\x27\x00\x00\x00\x00"), ProtocolError},
		{"request problem information 2", 0, v5("\x17\x02"), ProtocolError},
		{"request response information 2", 0, v5("\x19\x02"), ProtocolError},
		{"authentication data without method", 0, v5("\x16" + str("x")), ProtocolError},
		{"[MQTT-1.5.7-1] user property", 0, v5("\x26" + str("\xFF") + str("")), MalformedPacket},
		{"[MQTT-1.5.7-1] user property's value", 0, v5("\x26" + str("k") + str("\xFF")), MalformedPacket},
		{"will delay twice", 0, will("\x18\x00\x00\x00\x01\x18\x00\x00\x00\x01", "lwt"), ProtocolError},
		{"topic alias in the will", 0, will("\x23\x00\x01", "lwt"), MalformedPacket},
		{"[MQTT-3.3.2-14] will's response topic", 0, will("\x08"+str("#"), "lwt"), MalformedPacket},
		{"will's payload format 2", 0, will("\x01\x02", "lwt"), ProtocolError},
	})
}

func TestParseConnect_Error_SaysWhichVersionToAnswerIn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		raw  string
		want Version
	}{
		{"HTTP", pkt(0x10, "GET / HTTP/1.1"), 0},
		{"another name", pkt(0x10, str("mqtt"), "\x04\x02\x00\x0A", str("d")), 0},
		{"cut in the name", pkt(0x10, str("MQ")), 0},
		{"3.1", pkt(0x10, str("MQIsdp"), "\x03\x02\x00\x0A", str("d")), V311},
		{"the future", pkt(0x10, head(9, 2), str("d")), V5},
		{"malformed 3.1.1", pkt(0x10, head(4, 1), str("d")), V311},
		{"malformed 5", pkt(0x10, head(5, 1), str("d")), V5},
	} {
		c1, err := ParseConnect(mustSplit(t, []byte(c.raw)))
		if err == nil || c1.Version != c.want {
			t.Errorf("%s: got version %d, %v, want %d and an error", c.name, c1.Version, err, c.want)
		}
	}
}
