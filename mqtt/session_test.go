package mqtt

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"sluice"
)

func source(t testing.TB, url string, change ...func(*Config)) *Source {
	t.Helper()
	c := Config{URL: url, ClientID: "router", Filters: filters(t, "data/#"), Logger: testLogger(t)}
	for _, f := range change {
		f(&c)
	}
	return NewSource(c)
}

// message is a PUBLISH at QoS 1.
func message(id uint16, payload string) []byte {
	return publishPacket(2, "data/sensor", id, "", payload)
}

func TestOpen_Connect_SaysWhatItShould(t *testing.T) {
	t.Parallel()
	url := fakeBroker(t, func(p *peer) {
		c := p.expect(packets.CONNECT).Content.(*packets.Connect)
		props := c.Properties
		if c.ClientID != "user" || c.Username != "user" || string(c.Password) != "secret" || c.CleanStart ||
			c.KeepAlive != 30 || c.ProtocolVersion != 5 || c.WillFlag {
			t.Errorf("got %v", c)
		}
		if *props.SessionExpiryInterval != 7*24*3600 || *props.ReceiveMaximum != 2000 ||
			props.MaximumPacketSize != nil || props.TopicAliasMaximum != nil {
			t.Errorf("got properties %v", props)
		}
		p.send(connack(1, 0, ""))
		ids := map[int]bool{}
		for i, want := range []string{"data/+", "#"} {
			s := p.expect(packets.SUBSCRIBE).Content.(*packets.Subscribe)
			o := s.Subscriptions[0]
			if len(s.Subscriptions) != 1 || o.Topic != want || o.QoS != 1 || o.RetainHandling != 2 || o.RetainAsPublished || o.NoLocal {
				t.Errorf("got %v", s)
			}
			ids[*s.Properties.SubscriptionIdentifier] = true
			p.send(suback(uint16(i+1), 1))
		}
		if len(ids) != 2 {
			t.Errorf("got identifiers %v, want two", ids)
		}
		p.expectDisconnect(codeSuccess)
	})
	s := NewSource(Config{URL: url, User: "user", Password: "secret", Filters: filters(t, "data/{device}", "#")})
	session := open(t, s)
	if !session.Resumed() || session.ReceiveMaximum() != 2000 {
		t.Errorf("got resumed %t, receive maximum %d", session.Resumed(), session.ReceiveMaximum())
	}
	session.Close()
}

func TestOpen_Refusals(t *testing.T) {
	t.Parallel()
	connect := func(answer ...[]byte) func(*peer) {
		return func(p *peer) { p.expect(packets.CONNECT); p.send(answer...); p.wait() }
	}
	subscribe := func(answer ...[]byte) func(*peer) {
		return func(p *peer) {
			p.expect(packets.CONNECT)
			p.send(connackOK)
			p.expect(packets.SUBSCRIBE)
			p.send(answer...)
			p.wait()
		}
	}
	tests := []struct {
		name   string
		script func(*peer)
		code   byte // of the ReasonError, 0 for none
		want   string
	}{
		{"bad password", connect(connack(0, 0x86, "")), 0x86, "check the user name and the password"},
		{"reason string", connect(connack(0, 0x97, "\x1F\x00\x04full")), 0x97, `the broker says "full"`},
		{"MQTT 3.1.1 only", connect([]byte{0x20, 2, 0, 1}), 0x84, "must speak MQTT 5"},
		{"QoS 0 only", connect(connack(0, 0, "\x24\x00")), 0, "QoS 0 only"},
		{"CONNACK cut off", connect([]byte{0x20, 1, 0}), 0, "broke the protocol"},
		{"CONNACK with flags [MQTT-2.1.3-1]", connect([]byte{0x21, 3, 0, 0, 0}), 0, "broke the protocol"},
		{"PUBLISH before CONNACK [MQTT-3.2.0-1]", connect(message(1, "x")), 0, "before CONNACK"},
		{"SUBACK before CONNACK [MQTT-3.2.0-1]", connect(suback(1, 1)), 0, "before CONNACK"},
		{"DISCONNECT instead of CONNACK", connect([]byte{0xE0, 1, 0x89}), 0x89, "server busy"},
		{"connection closed", func(p *peer) { p.expect(packets.CONNECT) }, 0, "closed the connection"},
		{"second CONNACK", connect(connackOK, connackOK), 0, "does not send here"},

		{"not authorized", subscribe(suback(1, 0x87)), 0x87, `filter "data/#"`},
		{"granted QoS 0", subscribe(suback(1, 0)), 0, `filter "data/#": the broker grants QoS 0 only`},
		{"granted QoS 2", subscribe(suback(1, 2)), 0, "SUBACK with code 2"},
		{"SUBACK of nothing [MQTT-3.8.4-2]", subscribe(suback(2, 1)), 0, "answers no SUBSCRIBE"},
		{"SUBACK with two codes", subscribe([]byte{0x90, 5, 0, 1, 0, 1, 1}), 0, "answers no SUBSCRIBE"},
		{"larger than the broker reads", connect(connack(0, 0, "\x27\x00\x00\x00\x08")), 0, "maximum packet size 8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := source(t, fakeBroker(t, tt.script))
			_, err := s.Open(patiently(t), sluice.Lease{}, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want it to say %q", err, tt.want)
			}
			if refusal, ok := errors.AsType[*ReasonError](err); ok != (tt.code != 0) || ok && refusal.Code != tt.code {
				t.Errorf("got %#v, want code 0x%02X", refusal, tt.code)
			}
			if s.Stats().Connects != 0 {
				t.Error("counted as a connect")
			}
		})
	}
}

func TestOpen_Bounded(t *testing.T) {
	t.Parallel()
	silent := func(p *peer) { p.wait() }
	t.Run("by the connect timeout", func(t *testing.T) {
		t.Parallel()
		s := source(t, fakeBroker(t, silent), func(c *Config) { c.ConnectTimeout = 50 * time.Millisecond })
		if _, err := s.Open(patiently(t), sluice.Lease{}, nil); err == nil || !strings.Contains(err.Error(), "no answer within 50ms") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("by the context", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(context.Background())
		s := source(t, fakeBroker(t, func(p *peer) { p.expect(packets.CONNECT); cancel(); p.wait() }))
		if _, err := s.Open(ctx, sluice.Lease{}, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestOpen_MessagesBeforeSuback_AreKept(t *testing.T) {
	t.Parallel()
	url := fakeBroker(t, func(p *peer) {
		p.expect(packets.CONNECT)
		p.send(connack(1, 0, ""), message(1, "one")) // in one segment
		p.expect(packets.SUBSCRIBE)
		p.send(message(2, "two"), suback(1, 1), message(3, "three"))
		p.wait()
	})
	got := receive(t, open(t, source(t, url)), 3)
	for i, want := range []string{"one", "two", "three"} {
		if d := got[i]; string(d.Payload) != want || d.PacketID != uint16(i+1) || d.QoS != 1 || len(d.Subscriptions) != 0 {
			t.Errorf("got %+v, want %s", d, want)
		}
	}
}

func TestOpen_NoSubscriptionIdentifiers_FallsBack(t *testing.T) {
	t.Parallel()
	url := fakeBroker(t, func(p *peer) {
		p.expect(packets.CONNECT)
		p.send(connack(0, 0, "\x29\x00"))
		if s := p.expect(packets.SUBSCRIBE).Content.(*packets.Subscribe); s.Properties.SubscriptionIdentifier != nil {
			t.Errorf("got %v", s)
		}
		p.send(suback(1, 1), message(1, "x"))
		p.wait()
	})
	if got := receive(t, open(t, source(t, url)), 1); len(got[0].Subscriptions) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestReceive_SplitAtEveryByte(t *testing.T) {
	t.Parallel()
	stream := append(message(1, "one"), publishPacket(0, "data/b", 0, "", "two")...)
	stream = append(stream, message(3, "three")...)
	url := fakeBroker(t, func(p *peer) {
		p.welcome()
		for _, b := range stream {
			p.send([]byte{b})
		}
		p.wait()
	})
	s := source(t, url, func(c *Config) { c.Gather = -1 })
	got := receive(t, open(t, s), 3)
	if string(got[0].Payload) != "one" || string(got[1].Topic) != "data/b" || got[1].QoS != 0 || got[2].PacketID != 3 {
		t.Errorf("got %+v", got)
	}
	if st := s.Stats(); st.ReceivedQoS0 != 1 || st.ReceivedQoS1 != 2 {
		t.Errorf("got %+v", st)
	}
}

func TestAck_OneWrite_InOrder_SkipsQoS0(t *testing.T) {
	t.Parallel()
	acked := make(chan []byte, 1)
	url := fakeBroker(t, func(p *peer) {
		p.welcome()
		p.send(message(0x0102, "a"), publishPacket(0, "data/q0", 0, "", "b"), message(7, "c"))
		b := make([]byte, 64)
		n, _ := p.conn.Read(b)
		acked <- b[:n]
		p.wait()
	})
	s := source(t, url)
	session := open(t, s)
	ack(t, session, receive(t, session, 3))
	if got, want := string(<-acked), "\x40\x02\x01\x02\x40\x02\x00\x07"; got != want {
		t.Errorf("got % x, want % x", got, want)
	}
	if got := s.Stats().Acked; got != 2 {
		t.Errorf("got %d acked, want 2", got)
	}
}

func TestSession_BrokerBreaksProtocol_DisconnectsWithCode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		packet []byte
		code   byte
	}{
		{"topic alias [MQTT-3.3.2-9]", publishPacket(2, "data/x", 1, "\x23\x00\x01", ""), codeAliasInvalid},
		{"alias without topic", publishPacket(2, "", 1, "\x23\x00\x01", ""), codeProtocolError},
		{"QoS 2", publishPacket(4, "data/x", 1, "", ""), codeQoSUnsupported},
		{"malformed PUBLISH", []byte{0x32, 2, 0, 9}, codeMalformed},
		{"remaining length of five bytes", []byte{0x30, 0x80, 0x80, 0x80, 0x80, 0x01}, codeMalformed},
		{"huge SUBACK", []byte{0x90, 0xFF, 0xFF, 0xFF, 0x7F}, codePacketTooLarge},
		{"AUTH without a method", []byte{0xF0, 0}, codeProtocolError},
		{"packet of type 0", []byte{0x00, 0}, codeProtocolError},
		{"SUBACK unasked", suback(1, 1), codeProtocolError},
		{"PINGRESP with a body", []byte{0xD0, 1, 0}, codeMalformed},
		{"DISCONNECT cut off", []byte{0xE0, 3, 0, 9, 9}, codeMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			opened := make(chan struct{})
			session := open(t, source(t, fakeBroker(t, func(p *peer) {
				p.welcome()
				<-opened
				p.send(message(1, "good"), tt.packet)
				p.expectDisconnect(tt.code)
			})))
			close(opened)
			if got := receive(t, session, 1); string(got[0].Payload) != "good" {
				t.Errorf("got %+v", got)
			}
			err := receiveError(t, session)
			if broken, ok := errors.AsType[*protocolError](err); !ok || broken.code != tt.code {
				t.Errorf("got %v, want code 0x%02X", err, tt.code)
			}
			if err := session.Ack([]sluice.Delivery{{QoS: 1, PacketID: 1}}); err == nil {
				t.Error("Ack succeeded after the end")
			}
		})
	}
}

func TestSession_ServerDisconnect_ReasonInError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		packet []byte
		code   byte
		want   string
	}{
		{"taken over", []byte{0xE0, 2, 0x8E, 0}, 0x8E, "session taken over"},
		{"without a body", []byte{0xE0, 0}, 0, "normal"},
		{"with a reason", append([]byte{0xE0, 12, 0x98, 10, 0x1F, 0, 7}, "upgrade"...), 0x98, `"upgrade"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			opened := make(chan struct{})
			session := open(t, source(t, fakeBroker(t, func(p *peer) { p.welcome(); <-opened; p.send(tt.packet); p.wait() })))
			close(opened)
			err := receiveError(t, session)
			if r, ok := errors.AsType[*ReasonError](err); !ok || r.Code != tt.code || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestSession_BareEOF_MessagesFirstThenAdvice(t *testing.T) {
	t.Parallel()
	session := open(t, source(t, fakeBroker(t, func(p *peer) { p.welcome(); p.send(message(1, "last")) })))
	if got := receive(t, session, 1); string(got[0].Payload) != "last" {
		t.Errorf("got %+v", got)
	}
	if err := receiveError(t, session); !errors.Is(err, io.EOF) || !strings.Contains(err.Error(), `another client took the id "router"`) {
		t.Errorf("got %v", err)
	}
}

// TestSession_ExceedsReceiveMaximum_ReadsNoFurther: see session.hold.
func TestSession_ExceedsReceiveMaximum_ReadsNoFurther(t *testing.T) {
	t.Parallel()
	const most, total = 10, 100_000
	payload := strings.Repeat("x", 100)
	url := fakeBroker(t, func(p *peer) {
		p.welcome()
		go func() { // faster than it is read; ends when the connection does
			for i := range total {
				if _, err := p.conn.Write(message(uint16(i%65535+1), payload)); err != nil {
					return
				}
			}
		}()
		p.wait()
	})
	s := source(t, url, func(c *Config) { c.ReceiveMaximum = most })
	session := open(t, s)
	limit := most + readBuffer/len(payload)
	for seen := 0; seen < total; {
		ds := receive(t, session, 1)
		if got := int(session.unacked.Load()); got > limit {
			t.Fatalf("got %d messages unacknowledged, want at most %d", got, limit)
		}
		for _, d := range ds {
			if want := uint16(seen%65535 + 1); d.PacketID != want {
				t.Fatalf("got packet %d, want %d", d.PacketID, want)
			}
			seen++
		}
		ack(t, session, ds)
	}
	if s.Stats().Holds == 0 {
		t.Error("it never held")
	}
}

func TestSession_QoS0_AboveLimit_DroppedAndCounted(t *testing.T) {
	t.Parallel()
	const size = 64 << 10
	const n = 2 * maxQoS0Bytes / size
	url := fakeBroker(t, func(p *peer) {
		p.welcome()
		for range n {
			p.send(publishPacket(0, "data/x", 0, "", strings.Repeat("x", size)))
		}
		p.send([]byte{packets.DISCONNECT << 4, 0})
		p.wait()
	})
	s := source(t, url, func(c *Config) { c.Gather = -1 })
	session := open(t, s)
	<-session.done // nobody has received anything
	got := receive(t, session, 1)
	st := s.Stats()
	if st.ReceivedQoS0 != n || st.DroppedQoS0 == 0 || int(st.DroppedQoS0)+len(got) != n {
		t.Errorf("got %d messages, %+v", len(got), st)
	}
}

func TestSession_MaxPayload_CutsWhatIsLonger(t *testing.T) {
	t.Parallel()
	const most = 100
	url := fakeBroker(t, func(p *peer) {
		p.welcome()
		p.send(message(1, strings.Repeat("a", most)), message(2, strings.Repeat("b", most+1)),
			message(3, strings.Repeat("c", 1<<20)), message(4, "d"))
		p.wait()
	})
	s := source(t, url, func(c *Config) { c.MaxPayload = most })
	got := receive(t, open(t, s), 4)
	for i, want := range []int{most, most + 1, most + 1, 1} {
		if len(got[i].Payload) != want || got[i].PacketID != uint16(i+1) {
			t.Errorf("message %d: got %d bytes, want %d", got[i].PacketID, len(got[i].Payload), want)
		}
	}
	if s.Stats().Cut != 1 {
		t.Errorf("got %+v", s.Stats())
	}
}

func TestSession_NoPingresp_Ends(t *testing.T) {
	t.Parallel()
	pinged := make(chan struct{})
	session := open(t, source(t, fakeBroker(t, func(p *peer) {
		p.welcome()
		p.expect(packets.PINGREQ)
		close(pinged)
		p.wait()
	}), func(c *Config) { c.KeepAlive = time.Second }))
	<-pinged
	if err := receiveError(t, session); !strings.Contains(err.Error(), "PINGREQ") {
		t.Errorf("got %v", err)
	}
}

func TestSession_ServerKeepAlive_IsHonoured(t *testing.T) {
	t.Parallel()
	pings := make(chan struct{}, 3)
	session := open(t, source(t, fakeBroker(t, func(p *peer) {
		p.expect(packets.CONNECT)
		p.send(connack(0, 0, "\x13\x00\x01"))
		p.expect(packets.SUBSCRIBE)
		p.send(suback(1, 1))
		for range 3 {
			p.expect(packets.PINGREQ)
			p.send([]byte{packets.PINGRESP << 4, 0})
			pings <- struct{}{}
		}
		p.expectDisconnect(codeSuccess)
	})))
	for range 3 {
		<-pings
	}
	session.Close()
}

func TestProbe(t *testing.T) {
	t.Parallel()
	type step struct {
		reads, writes uint64
		want          action
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"writes keep it quiet", []step{{0, 1, doNothing}, {0, 2, doNothing}, {0, 3, doNothing}, {0, 4, doNothing}}},
		{"pings when nothing is written, reads or not", []step{{1, 0, doNothing}, {2, 0, sendPing}, {3, 1, doNothing}, {4, 1, doNothing}, {5, 1, sendPing}}},
		{"gives up after a ping and silence", []step{{0, 0, doNothing}, {0, 0, sendPing}, {0, 0, doNothing}, {0, 0, sendPing}, {0, 0, giveUp}}},
		{"any byte counts as an answer", []step{{0, 0, doNothing}, {0, 0, sendPing}, {0, 0, doNothing}, {1, 0, sendPing}, {1, 0, doNothing}, {1, 0, sendPing}, {1, 0, giveUp}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var p probe
			for i, s := range tt.steps {
				if got := p.tick(s.reads, s.writes); got != s.want {
					t.Fatalf("step %d: got %d, want %d", i, got, s.want)
				}
			}
		})
	}
}

func TestReceive_ContextEnds_SessionGoesOn(t *testing.T) {
	t.Parallel()
	more := make(chan struct{})
	session := open(t, source(t, fakeBroker(t, func(p *peer) { p.welcome(); <-more; p.send(message(1, "x")); p.wait() })))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := session.Receive(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	close(more)
	receive(t, session, 1)
}

func TestClose_UnblocksReceive(t *testing.T) {
	t.Parallel()
	session := open(t, source(t, fakeBroker(t, func(p *peer) { p.welcome(); p.expectDisconnect(codeSuccess) })))
	ended := make(chan error)
	go func() {
		_, err := session.Receive(context.Background())
		ended <- err
	}()
	for range 2 { // the second does nothing
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := session.Ack([]sluice.Delivery{{QoS: 1, PacketID: 1}}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestReceive_SteadyState_AllocatesNothing(t *testing.T) {
	s := newSession(Config{ReceiveMaximum: 65535}, nil, &counters{})
	s.accepted = true
	var group []byte
	for i := range 100 {
		group = append(group, publishPacket(2, "data/sensor", uint16(i+1), "\x0B\x07", "0123456789012345678901234567890123456789")...)
	}
	ctx := context.Background()
	allocs := testing.AllocsPerRun(200, func() {
		s.in.w += copy(s.in.buf, group)
		if n, err := s.consume(1, s.control); n != 100 || err != nil {
			t.Fatal(n, err)
		}
		s.in.r, s.in.w = 0, 0
		if ds, err := s.Receive(ctx); len(ds) != 100 || err != nil {
			t.Fatal(len(ds), err)
		}
	})
	if allocs > 0 {
		t.Errorf("got %v allocations per group of 100", allocs)
	}
}
