package mqtt

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"sluice/internal/testenv"
)

func publisher(t testing.TB, c Config) *Publisher {
	t.Helper()
	p, err := NewPublisher(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestPublisher_Mosquitto(t *testing.T) {
	t.Parallel()
	b := testenv.Mosquitto(t)
	link := testenv.Proxy(t, b.Addr())
	p := publisher(t, Config{URL: "mqtt://" + link.Addr(), ClientID: "clock"})
	ctx := patiently(t)
	if r, err := p.Publish(ctx, "pulse", nil, 1); err != nil || !r.NoSubscribers {
		t.Fatalf("nobody subscribed: got %+v, %v", r, err)
	}
	session := open(t, NewSource(Config{URL: b.URL(), Filters: filters(t, "pulse")}))
	for _, qos := range []byte{0, 1} {
		if r, err := p.Publish(ctx, "pulse", []byte("x"), qos); err != nil || r.NoSubscribers {
			t.Fatalf("QoS %d: got %+v, %v", qos, r, err)
		}
		if got := receive(t, session, 1); got[0].QoS != qos || string(got[0].Payload) != "x" {
			t.Errorf("QoS %d: got %+v", qos, got)
		}
	}

	link.Cut() // and again: it waits for the connection
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := p.Publish(ended, "pulse", nil, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := p.Publish(ctx, "pulse", []byte("later"), 1)
		done <- err
	}()
	link.Mend()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := receive(t, session, 1); string(got[0].Payload) != "later" {
		t.Errorf("got %+v", got)
	}
}

// TestPublisher_AnswerLost_SentAgain: the broker takes the message, the
// connection ends before its PUBACK.
func TestPublisher_AnswerLost_SentAgain(t *testing.T) {
	t.Parallel()
	for _, resumed := range []byte{0, 1} {
		seen := make(chan bool, 2) // DUP of each PUBLISH
		publish := func(p *peer) *packets.Publish {
			m := p.expect(packets.PUBLISH).Content.(*packets.Publish)
			seen <- m.Duplicate
			return m
		}
		url := fakeBroker(t,
			func(p *peer) { p.expect(packets.CONNECT); p.send(connackOK); publish(p) },
			func(p *peer) {
				p.expect(packets.CONNECT)
				p.send(connack(resumed, 0, ""))
				m := publish(p)
				p.send([]byte{packets.PUBACK << 4, 2, byte(m.PacketID >> 8), byte(m.PacketID)})
				p.wait()
			})
		p := publisher(t, Config{URL: url, ClientID: "clock"})
		if _, err := p.Publish(patiently(t), "pulse", nil, 1); err != nil {
			t.Fatal(err)
		}
		if a, b := <-seen, <-seen; a || b != (resumed == 1) {
			t.Errorf("session present %d: got DUP %t, then %t", resumed, a, b)
		}
	}
}

func TestPublisher_Refusals(t *testing.T) {
	t.Parallel()
	t.Run("message", func(t *testing.T) {
		t.Parallel()
		url := fakeBroker(t, func(p *peer) {
			p.expect(packets.CONNECT)
			p.send(connackOK)
			p.expect(packets.PUBLISH)
			p.send([]byte{packets.PUBACK << 4, 3, 0, 1, 0x87})
			p.wait()
		})
		_, err := publisher(t, Config{URL: url}).Publish(patiently(t), "pulse", nil, 1)
		if r, ok := errors.AsType[*ReasonError](err); !ok || r.Packet != "PUBACK" || r.Code != codeNotAuthorized {
			t.Errorf("got %v", err)
		}
	})
	t.Run("connection", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(context.Background())
		refuse := func(p *peer) { p.expect(packets.CONNECT); p.send(connack(0, 0x86, "")) }
		url := fakeBroker(t, refuse, func(p *peer) { p.expect(packets.CONNECT); cancel() })
		_, err := publisher(t, Config{URL: url}).Publish(ctx, "pulse", nil, 1)
		if r, ok := errors.AsType[*ReasonError](err); !ok || r.Code != 0x86 || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("QoS 2", func(t *testing.T) {
		t.Parallel()
		if _, err := publisher(t, Config{URL: "mqtt://127.0.0.1:1"}).Publish(patiently(t), "pulse", nil, 2); err == nil {
			t.Error("accepted")
		}
	})
	t.Run("configuration", func(t *testing.T) {
		t.Parallel()
		if _, err := NewPublisher(Config{URL: "http://x"}); err == nil {
			t.Error("accepted")
		}
	})
}

func TestPublisher_Closed(t *testing.T) {
	t.Parallel()
	connected := make(chan struct{})
	url := fakeBroker(t, func(p *peer) { p.expect(packets.CONNECT); close(connected); p.wait() })
	p := publisher(t, Config{URL: url})
	ended := make(chan error)
	go func() {
		_, err := p.Publish(context.Background(), "pulse", nil, 1)
		ended <- err
	}()
	<-connected
	p.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := p.Publish(context.Background(), "pulse", nil, 1); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// A message that is under way while the library reports the first connection is
// not taken for one that a lost session dropped.
func TestPublisher_FirstConnectionRepeatsNothing(t *testing.T) {
	t.Parallel()
	p, err := NewPublisher(Config{URL: "mqtt://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	underWay := p.current()
	p.connected(nil, &paho.Connack{})
	if underWay.Err() != nil {
		t.Error("the first connection ends what is under way: it would be sent twice")
	}
	p.connected(nil, &paho.Connack{})
	if underWay.Err() == nil {
		t.Error("a session that was lost does not end what is under way")
	}
}
