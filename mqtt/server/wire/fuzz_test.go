package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice"
)

func FuzzSplit(f *testing.F) {
	f.Add([]byte(pkt(0x32, str("data/sensor"), "\x00\x07", "hello")+"\xC0\x00"), 100)
	f.Add([]byte("\xC0\x80\x00"), 100)
	f.Add([]byte("\x30\xFF\xFF\xFF\x7F"), MaxPacket)
	f.Add([]byte("\x30\x80\x80\x80\x80\x01"), 10)
	f.Fuzz(func(t *testing.T, buf []byte, limit int) {
		p, size, err := Split(buf, limit)
		if err != nil {
			if !errors.Is(err, ErrShort) {
				checkError(t, err)
			} else if size != 0 && (size <= len(buf) || size > limit) {
				t.Fatalf("short: %d of %d bytes, limit %d", len(buf), size, limit)
			}
			return
		}
		if size > len(buf) || size > limit || !bytes.HasSuffix(buf[:size], p.Body) || cap(p.Body) != len(p.Body) {
			t.Fatalf("%d of %d bytes, limit %d, body % x", size, len(buf), limit, p.Body)
		}
		for n := range size {
			if _, _, err := Split(buf[:n:n], limit); !errors.Is(err, ErrShort) {
				t.Fatalf("the first %d of %d bytes: %v", n, size, err)
			}
		}
		again := append(appendVarint([]byte{byte(p.Type)<<4 | p.Flags}, len(p.Body)), p.Body...)
		if !p.Padded && !bytes.Equal(again, buf[:size]) {
			t.Fatalf("% x was split, % x is what it says", buf[:size], again)
		}
	})
}

// checkError checks that a refusal can be answered and explained.
func checkError(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || !e.Reason.Failed() || e.Text == "" {
		t.Fatalf("got %#v, want an *Error with a reason and a text", err)
	}
	if e.Statement != "" && !strings.HasPrefix(e.Statement, "MQTT-") && !strings.HasPrefix(e.Statement, "MQTT311-") {
		t.Fatalf("statement %q", e.Statement)
	}
}

// fuzzParse parses body as a packet of type kind, in a buffer that ends with it
// and in one that goes on: both must give the same. ok is false when it was
// refused, in the proper way.
func fuzzParse(t *testing.T, v Version, kind Type, flags byte, body []byte) (got any, ok bool) {
	t.Helper()
	p := Packet{Type: kind, Flags: flags, Body: bytes.Clone(body)}
	got, err := parsePacket(v, p)
	longer := append(bytes.Clone(body), "\x00\x01\x02\x03\x00\x01a"...)
	p.Body = longer[:len(body)]
	beside, besideErr := parsePacket(v, p)
	if diff := cmp.Diff(got, beside); diff != "" || (err == nil) != (besideErr == nil) {
		t.Fatalf("bytes behind the packet change it: %v, %v\n%s", err, besideErr, diff)
	}
	if err != nil {
		checkError(t, err)
		return nil, false
	}
	return got, true
}

// version makes one of the two versions of any number.
func version(n byte) Version { return V311 + Version(n%2) }

// addBody adds a packet's body as a seed for both versions.
func addBody(f *testing.F, raw []byte) {
	f.Helper()
	p := mustSplit(f, raw)
	f.Add(byte(0), p.Flags, p.Body)
	f.Add(byte(1), p.Flags, p.Body)
}

func FuzzParseConnect(f *testing.F) {
	addBody(f, []byte(pkt(0x10, head(4, 0xEE), str("d"), str("lwt"), str("gone"), str("user"), str("secret"))))
	addBody(f, []byte(pkt(0x10, head(5, 0xEE), props("\x11\x00\x00\x00\x09", "\x21\x00\x05", "\x15"+str("m"), "\x16"+str("d")), str("d"),
		props("\x18\x00\x00\x00\x01", "\x02\x00\x00\x00\x01", "\x08"+str("r"), "\x26"+str("k")+str("v")), str("lwt"), str("gone"), str("user"), str("secret"))))
	f.Fuzz(func(t *testing.T, _, _ byte, body []byte) {
		got, ok := fuzzParse(t, 0, CONNECT, 0, body)
		if !ok {
			return
		}
		c := got.(Connect)
		if c.Version != V311 && c.Version != V5 || c.ReceiveMaximum == 0 {
			t.Fatalf("accepted %+v", c)
		}
		if c.Will != nil {
			checkWill(t, c.Version, c.Will)
		}
	})
}

// checkWill publishes a will and reads the PUBLISH.
func checkWill(t *testing.T, v Version, w *Will) {
	t.Helper()
	m := Publish{Topic: []byte(w.Topic), Payload: w.Payload, Retain: w.Retain, HasExpiry: w.HasExpiry, Expiry: w.Expiry, Properties: w.Properties}
	got, ok := reparse(t, v, &m)
	if !ok || string(got.Topic) != w.Topic || !bytes.Equal(got.Payload, w.Payload) || forwarded(got) != string(w.Properties) {
		t.Fatalf("will %+v\nis published as %+v", w, got)
	}
}

// reparse writes m and reads it again.
func reparse(t *testing.T, v Version, m *Publish) (Publish, bool) {
	t.Helper()
	var got Publish
	err := ParsePublish(v, mustSplit(t, AppendPublish(nil, v, m)), &got)
	return got, err == nil
}

// forwarded are the properties of m that go on to subscribers.
func forwarded(m Publish) (s string) {
	m.forward(func(raw []byte) { s += string(raw) })
	return s
}

func FuzzParsePublish(f *testing.F) {
	addBody(f, []byte(pkt(0x32, str("data/sensor"), "\x00\x07", "hello")))
	addBody(f, []byte(pkt(0x31, str("é"), props("\x01\x01", "\x02\x00\x00\x00\x05", "\x23\x00\x09", "\x08"+str("r"), "\x09"+str("\xFF"), "\x26"+str("k")+str("v"), "\x03"+str("t")), "p")))
	addBody(f, []byte(pkt(0x3B, str(""), "\x00\x01", props("\x23\x00\x01"))))
	f.Fuzz(func(t *testing.T, v, flags byte, body []byte) {
		got, ok := fuzzParse(t, version(v), PUBLISH, flags&0x0F, body)
		if !ok {
			return
		}
		m := got.(Publish)
		if len(m.Topic) == 0 {
			if m.Alias == 0 {
				t.Fatal("neither topic nor alias")
			}
			m.Topic = []byte("aliased")
		}
		if bytes.ContainsAny(m.Topic, "+#\x00") || (m.QoS > 0) != (m.PacketID > 0) {
			t.Fatalf("accepted %+v", m)
		}
		again, ok := reparse(t, version(v), &m)
		if !ok || forwarded(again) != forwarded(m) {
			t.Fatalf("%+v\nis forwarded as %+v", m, again)
		}
		m.Alias, m.Properties, again.Properties = 0, nil, nil
		if diff := cmp.Diff(m, again); diff != "" {
			t.Fatalf("-sent +forwarded\n%s", diff)
		}
	})
}

func FuzzParseSubscribe(f *testing.F) {
	addBody(f, []byte(pkt(0x82, "\x00\x01", str("a/+/#"), "\x01")))
	addBody(f, []byte(pkt(0x82, "\x00\x01", props("\x0B\x80\x01", "\x26"+str("k")+str("v")), str("$share/g/a"), "\x29", str("b"), "\x04")))
	addBody(f, []byte(pkt(0xA2, "\x00\x01", props(), str("a"), str("b"))))
	f.Fuzz(func(t *testing.T, v, _ byte, body []byte) {
		if got, ok := fuzzParse(t, version(v), SUBSCRIBE, 2, body); ok {
			s := got.(Subscribe)
			if s.PacketID == 0 || len(s.Filters) == 0 {
				t.Fatalf("accepted %+v", s)
			}
			for _, sub := range s.Filters {
				if sub.QoS > 2 || sub.RetainHandling > 2 || CheckFilter(version(v), sub.Filter) != nil {
					t.Fatalf("accepted %+v", sub)
				}
			}
		}
		if got, ok := fuzzParse(t, version(v), UNSUBSCRIBE, 2, body); ok {
			if u := got.(Unsubscribe); u.PacketID == 0 || len(u.Filters) == 0 {
				t.Fatalf("accepted %+v", u)
			}
		}
	})
}

func FuzzParseAck(f *testing.F) {
	addBody(f, AppendPuback(nil, V5, 7, QuotaExceeded))
	addBody(f, []byte(pkt(0x40, "\x01\x02\x80", props("\x1F"+str("why"), "\x26"+str("k")+str("v")))))
	addBody(f, AppendDisconnect(nil, V5, Disconnect{Reason: DisconnectWithWill, ReasonString: "why"}))
	addBody(f, []byte(pkt(0xE0, "\x81", props("\x11\x00\x00\x00\x09"))))
	f.Fuzz(func(t *testing.T, v, _ byte, body []byte) {
		if got, ok := fuzzParse(t, version(v), PUBACK, 0, body); ok {
			ack := got.(Puback)
			again, err := parse(t, version(v), string(AppendPuback(nil, version(v), ack.PacketID, ack.Reason)))
			if err != nil || again != ack {
				t.Fatalf("%+v comes back as %+v, %v", ack, again, err)
			}
		}
		if got, ok := fuzzParse(t, version(v), DISCONNECT, 0, body); ok && version(v) == V5 {
			d := got.(Disconnect)
			again, err := parse(t, V5, string(AppendDisconnect(nil, V5, d)))
			d.HasSessionExpiry, d.SessionExpiry = false, 0
			if err != nil || again != d {
				t.Fatalf("%+v comes back as %+v, %v", d, again, err)
			}
		}
	})
}

// The root package has filters of its own, with captures: where there are none,
// both must agree on what is a filter and what it matches.
func FuzzMatchFilter(f *testing.F) {
	for _, s := range [][2]string{{"a/+/#", "a/b"}, {"#", "$SYS"}, {"+/", "/"}, {"a//b", "a/b"}, {"a/#/b", "a"}, {"a+", "a"}, {"é", "é"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, filter, topic string) {
		if strings.ContainsAny(filter, "{}") || strings.HasPrefix(filter, sharePrefix) {
			return
		}
		ours := CheckFilter(V5, filter)
		theirs, err := sluice.ParseFilter(filter)
		if (ours == nil) != (err == nil) {
			t.Fatalf("%q: %v, the root package: %v", filter, ours, err)
		}
		if ours != nil || CheckTopic([]byte(topic)) != nil {
			return
		}
		if got, want := MatchFilter(filter, topic), theirs.Match(topic); got != want {
			t.Fatalf("%q on %q: %t, the root package: %t", filter, topic, got, want)
		}
	})
}
