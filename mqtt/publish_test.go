package mqtt

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/packets"
)

func TestParsePublish(t *testing.T) {
	t.Parallel()
	type want struct {
		topic, payload string
		id             uint16
		qos            byte
		dup, retain    bool
		subs           []uint32
		code           byte // of the protocol error, 0 for none
	}
	tests := []struct {
		name  string
		flags byte
		body  string
		cut   bool
		want  want
	}{
		{name: "QoS 0", body: "\x00\x01a\x00hi", want: want{topic: "a", payload: "hi"}},
		{name: "QoS 1", flags: 2, body: "\x00\x01a\x12\x34\x00hi", want: want{topic: "a", payload: "hi", id: 0x1234, qos: 1}},
		{name: "DUP and RETAIN", flags: 0xB, body: "\x00\x01a\x00\x01\x00", want: want{topic: "a", id: 1, qos: 1, dup: true, retain: true}},
		{
			name: "identifier of one byte", flags: 2, body: "\x00\x01a\x00\x01\x02\x0B\x07hi",
			want: want{topic: "a", payload: "hi", id: 1, qos: 1, subs: []uint32{7}},
		},
		{
			name: "identifiers of four bytes and of two", body: "\x00\x01a\x08\x0B\xFF\xFF\xFF\x7F\x0B\x80\x01!",
			want: want{topic: "a", payload: "!", subs: []uint32{maxIdentifier, 128}},
		},
		{
			name: "every property", body: "\x00\x01a\x24" +
				"\x01\x01" + "\x02\x00\x00\x00\x09" + "\x03\x00\x01t" + "\x08\x00\x01r" + "\x09\x00\x02\x00\x00" +
				"\x26\x00\x01k\x00\x01v" + "\x0B\x03" + "\x26\x00\x01k\x00\x01v" + "hi",
			want: want{topic: "a", payload: "hi", subs: []uint32{3}},
		},

		{name: "QoS 3 [MQTT-3.3.1-4]", flags: 6, body: "\x00\x01a\x00\x01\x00", want: want{code: codeMalformed}},
		{name: "QoS 2", flags: 4, body: "\x00\x01a\x00\x01\x00", want: want{code: codeQoSUnsupported}},
		{name: "QoS 0 with DUP [MQTT-3.3.1-2]", flags: 8, body: "\x00\x01a\x00", want: want{code: codeMalformed}},
		{name: "empty body", body: "", want: want{code: codeMalformed}},
		{name: "topic cut off", body: "\x00\x02a", want: want{code: codeMalformed}},
		{name: "no topic [MQTT-4.7.3-1]", body: "\x00\x00\x00hi", want: want{code: codeProtocolError}},
		{name: "NUL in topic [MQTT-1.5.4-2]", body: "\x00\x02a\x00\x00", want: want{code: codeMalformed}},
		{name: "topic no UTF-8 [MQTT-1.5.4-1]", body: "\x00\x01\xFF\x00", want: want{code: codeMalformed}},
		{name: "surrogate in topic [MQTT-1.5.4-1]", body: "\x00\x03\xED\xA0\x80\x00", want: want{code: codeMalformed}},
		{name: "# in topic [MQTT-3.3.2-2]", body: "\x00\x03a/#\x00", want: want{code: codeMalformed}},
		{name: "+ in topic [MQTT-3.3.2-2]", body: "\x00\x01+\x00", want: want{code: codeMalformed}},
		{name: "packet identifier cut off", flags: 2, body: "\x00\x01a\x01", want: want{code: codeMalformed}},
		{name: "packet identifier 0 [MQTT-2.2.1-4]", flags: 2, body: "\x00\x01a\x00\x00\x00", want: want{code: codeProtocolError}},
		{name: "no property length", body: "\x00\x01a", want: want{code: codeMalformed}},
		{name: "property length of five bytes", body: "\x00\x01a\x80\x80\x80\x80\x01", want: want{code: codeMalformed}},
		{name: "properties cut off", body: "\x00\x01a\x03\x0B\x01", want: want{code: codeMalformed}},
		{name: "property of another packet [MQTT-2.2.2-2]", body: "\x00\x01a\x05\x11\x00\x00\x00\x01", want: want{code: codeMalformed}},
		{name: "property value cut off", body: "\x00\x01a\x03\x02\x00\x00", want: want{code: codeMalformed}},
		{name: "user property cut off", body: "\x00\x01a\x06\x26\x00\x01k\x00\x01", want: want{code: codeMalformed}},
		{name: "property twice", body: "\x00\x01a\x04\x01\x00\x01\x00", want: want{code: codeProtocolError}},
		{name: "identifier 0 [MQTT 3.3.2.3.8]", body: "\x00\x01a\x02\x0B\x00", want: want{code: codeProtocolError}},
		{name: "identifier cut off", body: "\x00\x01a\x02\x0B\x80", want: want{code: codeMalformed}},
		{name: "topic alias [MQTT-3.3.2-9]", body: "\x00\x01a\x03\x23\x00\x01", want: want{code: codeAliasInvalid}},

		{name: "cut within the payload", body: "\x00\x01a\x02\x0B\x07hi", cut: true, want: want{topic: "a", payload: "hi", subs: []uint32{7}}},
		{name: "cut within the properties", body: "\x00\x01a\x7F\x26\x00", cut: true, want: want{topic: "a", payload: "\x26\x00"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, subs, err := parsePublish(tt.flags, []byte(tt.body), nil, tt.cut)
			if broken, ok := errors.AsType[*protocolError](err); ok || tt.want.code != 0 {
				if !ok || broken.code != tt.want.code {
					t.Fatalf("got %v, want code 0x%02X", err, tt.want.code)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if string(p.topic) != tt.want.topic || string(p.payload) != tt.want.payload || p.id != tt.want.id ||
				p.qos != tt.want.qos || p.dup != tt.want.dup || p.retain != tt.want.retain || !slices.Equal(subs, tt.want.subs) {
				t.Errorf("got %q %q %+v %v, want %+v", p.topic, p.payload, p, subs, tt.want)
			}
		})
	}
}

// FuzzParsePublish: the parser never panics, and what it accepts the library's
// codec reads alike.
func FuzzParsePublish(f *testing.F) {
	f.Add(byte(0), []byte("\x00\x01a\x00hi"))
	f.Add(byte(2), []byte("\x00\x01a\x00\x01\x02\x0B\x07hi"))
	f.Add(byte(0xB), []byte("\x00\x01a\x00\x01\x0C\x0B\x80\x01\x26\x00\x01k\x00\x01v\x01\x00x"))
	f.Fuzz(func(t *testing.T, flags byte, body []byte) {
		flags &= 0x0F
		_, _, _ = parsePublish(flags, body, nil, true)
		got, subs, err := parsePublish(flags, body, []uint32{99}, false)
		if len(subs) == 0 || subs[0] != 99 {
			t.Fatal("earlier identifiers were changed")
		}
		if err != nil {
			return
		}
		raw := append(append([]byte{packets.PUBLISH<<4 | flags}, varint(len(body))...), body...)
		cp, err := packets.ReadPacket(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("accepted what the library refuses: %v", err)
		}
		want := cp.Content.(*packets.Publish)
		if string(got.topic) != want.Topic || !bytes.Equal(got.payload, want.Payload) || got.id != want.PacketID ||
			got.qos != want.QoS || got.dup != want.Duplicate || got.retain != want.Retain {
			t.Errorf("got %+v, want %v", got, want)
		}
		if s := want.Properties.SubscriptionIdentifier; s != nil && subs[len(subs)-1] != uint32(*s) {
			t.Errorf("got identifiers %v, want the last to be %d", subs[1:], *s)
		}
	})
}

func varint(n int) []byte {
	var b []byte
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

// publishPacket builds a PUBLISH.
func publishPacket(flags byte, topic string, id uint16, props, payload string) []byte {
	var b []byte
	b = append(b, byte(len(topic)>>8), byte(len(topic)))
	b = append(b, topic...)
	if flags&maskQoS != 0 {
		b = append(b, byte(id>>8), byte(id))
	}
	b = append(b, varint(len(props))...)
	b = append(b, props...)
	b = append(b, payload...)
	return append(append([]byte{packets.PUBLISH<<4 | flags}, varint(len(b))...), b...)
}

func TestParsePublish_LongTopic(t *testing.T) {
	t.Parallel()
	topic := strings.Repeat("t", 65535)
	p, _, err := parsePublish(0, publishPacket(0, topic, 0, "", "x")[4:], nil, false)
	if err != nil || string(p.topic) != topic || string(p.payload) != "x" {
		t.Errorf("got topic of %d bytes, payload %q, error %v", len(p.topic), p.payload, err)
	}
}

func BenchmarkParsePublish(b *testing.B) {
	body := publishPacket(2, "data/sensor/device-17", 4711, "\x0B\x81\x82\x83\x01", strings.Repeat("x", 41))[2:]
	b.ReportAllocs()
	var subs []uint32
	for b.Loop() {
		var err error
		if _, subs, err = parsePublish(2, body, subs[:0], false); err != nil {
			b.Fatal(err)
		}
	}
}
