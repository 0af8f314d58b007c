package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestSplit_Stream_CutAnywhere(t *testing.T) {
	t.Parallel()
	parts := []string{
		pkt(0xC0),
		pkt(0x32, str("data/sensor"), "\x00\x07", "hello"),
		pkt(0x30, str("a"), strings.Repeat("x", 300)),
		pkt(0xE0),
	}
	stream := []byte(cat(parts...))
	for cut := range stream {
		got := splitWhole(t, stream[:cut])
		want := 0
		for n := 0; want < len(parts) && n+len(parts[want]) <= cut; want++ {
			n += len(parts[want])
		}
		if len(got) != want {
			t.Fatalf("the first %d bytes hold %d packets, want %d", cut, len(got), want)
		}
		for i, p := range got {
			if !strings.HasSuffix(parts[i], string(p.Body)) || byte(p.Type)<<4|p.Flags != parts[i][0] {
				t.Fatalf("packet %d is %+v, want % x", i, p, parts[i])
			}
		}
	}
}

// splitWhole returns the whole packets of buf; the last must be incomplete.
func splitWhole(t *testing.T, buf []byte) (got []Packet) {
	t.Helper()
	for {
		p, size, err := Split(buf, 1000)
		if errors.Is(err, ErrShort) {
			if size != 0 && size <= len(buf) {
				t.Fatalf("%d bytes are short of %d", len(buf), size)
			}
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		got, buf = append(got, p), buf[size:]
	}
}

func TestSplit_ShortPacket_SaysHowManyBytes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		raw  string
		want int
	}{
		{"", 0},
		{"\x30", 0},
		{"\x30\x80", 0},
		{"\x30\x80\x80\x80", 0},
		{"\x30\x05", 7},
		{"\x30\x05abcd", 7},
		{"\x30\x80\x01", 131},
		{"\x30\xFF\xFF\xFF\x7F", MaxPacket},
	} {
		if _, size, err := Split([]byte(c.raw), MaxPacket); !errors.Is(err, ErrShort) || size != c.want {
			t.Errorf("% x: got %d, %v, want %d, ErrShort", c.raw, size, err, c.want)
		}
	}
}

func TestSplit_BodyCannotGrowIntoTheNextPacket(t *testing.T) {
	t.Parallel()
	buf := []byte(pkt(0x30, "abc") + pkt(0xC0))
	p, _, err := Split(buf, 100)
	if err != nil || cap(p.Body) != 3 {
		t.Errorf("got capacity %d, %v, want 3", cap(p.Body), err)
	}
}

// [MQTT-3.2.2-15] binds the client to the announced size; the header suffices.
func TestSplit_TooLarge(t *testing.T) {
	t.Parallel()
	atLimit := []byte("\x30\x80\x01" + strings.Repeat("x", 128))
	if _, size, err := Split(atLimit, 131); err != nil || size != 131 {
		t.Errorf("at the limit: got %d, %v", size, err)
	}
	_, _, err := Split(atLimit[:3], 130)
	checkRefusal(t, "[MQTT-3.2.2-15]", err, PacketTooLarge)
}

func TestSplit_Refuses(t *testing.T) {
	t.Parallel()
	refuseAll(t, []badCase{
		{"remaining length of five bytes", V5, "\xC0\x80\x80\x80\x80\x00", MalformedPacket},
		{"reserved packet type", V5, "\x00\x00", MalformedPacket},
		{"[MQTT-2.1.3-1] CONNECT", V5, "\x11", MalformedPacket},
		{"[MQTT-2.1.3-1] PUBACK", V5, "\x42", MalformedPacket},
		{"[MQTT-2.1.3-1] PUBREL", V5, "\x60", MalformedPacket},
		{"[MQTT-2.1.3-1] SUBSCRIBE", V5, "\x80", MalformedPacket},
		{"[MQTT-2.1.3-1] SUBSCRIBE with another flag too", V311, "\x83", MalformedPacket},
		{"[MQTT-2.1.3-1] UNSUBSCRIBE", V5, "\xA0", MalformedPacket},
		{"[MQTT-2.1.3-1] PINGREQ", V311, "\xC1", MalformedPacket},
		{"[MQTT-2.1.3-1] DISCONNECT, which is [MQTT-3.14.1-1]", V5, "\xE8", MalformedPacket},
		{"[MQTT-2.1.3-1] AUTH, which is [MQTT-3.15.1-1]", V5, "\xF1", MalformedPacket},
		{"[MQTT-1.5.5-1] remaining length", V5, "\xC0\x80\x00", MalformedPacket},
		{"[MQTT-1.5.5-1] remaining length of CONNECT", 0, "\x10\x8D\x00" + str("MQTT") + "\x05\x02\x00\x0A\x00" + str(""), MalformedPacket},
	})
}

func TestSplit_PaddedLength_IsFineIn311(t *testing.T) {
	t.Parallel()
	if _, err := parse(t, V311, "\xC0\x80\x80\x00"); err != nil {
		t.Error(err)
	}
}

func TestUnexpected(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		v     Version
		t     Type
		first bool
		want  Reason
	}{
		{"[MQTT-3.1.0-1] first packet", 0, PUBLISH, true, ProtocolError},
		{"[MQTT-3.1.0-2] second CONNECT", V311, CONNECT, false, ProtocolError},
		{"[MQTT-3.2.2-11] PUBREL", V5, PUBREL, false, ProtocolError},
		{"[MQTT-3.2.2-11] PUBREC", V311, PUBREC, false, ProtocolError},
		{"[MQTT-3.2.2-11] PUBCOMP", V311, PUBCOMP, false, ProtocolError},
		{"[MQTT-4.12.0-7] AUTH", V5, AUTH, false, ProtocolError},
		{"AUTH in 3.1.1", V311, AUTH, false, MalformedPacket},
		{"CONNACK", V5, CONNACK, false, ProtocolError},
		{"SUBACK", V5, SUBACK, false, ProtocolError},
		{"UNSUBACK", V5, UNSUBACK, false, ProtocolError},
		{"PINGRESP", V5, PINGRESP, false, ProtocolError},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkRefusal(t, c.name, Unexpected(c.v, c.t, c.first), c.want)
		})
	}
}

func TestParse_OfAnotherType_IsRefused(t *testing.T) {
	t.Parallel()
	p := mustSplit(t, []byte(pkt(0xC0)))
	_, err := ParseSubscribe(V5, p)
	checkRefusal(t, "another type", err, ProtocolError)
}

func TestVarint_RoundTrip(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 127, 128, 16383, 16384, 2097151, 2097152, maxRemaining} {
		b := appendVarint(nil, n)
		v, width, ok := varint(append(b, 0xFF))
		if !ok || int(v) != n || width != len(b) || width != varintWidth(n) || padded(v, width) {
			t.Errorf("%d: got %d in %d bytes, %t; varintWidth %d", n, v, width, ok, varintWidth(n))
		}
	}
	if _, _, ok := varint(bytes.Repeat([]byte{0x80}, 5)); ok {
		t.Error("five bytes are accepted")
	}
}

func TestReturnCode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		reason Reason
		code   byte
		ok     bool
	}{
		{"accepted", Success, 0, true},
		{"[MQTT311-3.1.2-2] version", UnsupportedVersion, 1, true},
		{"[MQTT311-3.1.3-9] client identifier", ClientIDNotValid, 2, true},
		{"unavailable", ServerUnavailable, 3, true},
		{"busy", ServerBusy, 3, true},
		{"user or password", BadUserOrPassword, 4, true},
		{"not authorized", NotAuthorized, 5, true},
		{"[MQTT311-3.1.4-1] malformed", MalformedPacket, 0, false},
		{"[MQTT311-3.1.4-1] protocol error", ProtocolError, 0, false},
		{"[MQTT311-3.2.2-6] will of QoS 2", QoSNotSupported, 0, false},
		{"[MQTT311-3.2.2-6] retained will", RetainNotSupported, 0, false},
		{"no failure", NoMatchingSubscribers, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if code, ok := ReturnCode(c.reason); code != c.code || ok != c.ok {
				t.Errorf("got %d, %t, want %d, %t", code, ok, c.code, c.ok)
			}
		})
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		PUBLISH.String():                        "PUBLISH",
		Type(77).String():                       "packet type 77",
		QoSNotSupported.String():                "QoS not supported",
		Reason(0xF0).String():                   "reason code 0xF0",
		malformed("MQTT-1", "a %d", 1).Error():  "a 1 [MQTT-1]",
		violation("", "without number").Error(): "without number",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
