package device_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	gocmp "github.com/google/go-cmp/cmp"

	"sluice/device"
)

func TestFleet_DroppedBeforeItRuns(t *testing.T) {
	t.Parallel()
	fleet, err := device.New(device.Config{Address: "127.0.0.1:1", Count: 1, Prefix: "d-"})
	if err != nil {
		t.Fatal(err)
	}
	if err := fleet.Crash("d-0001"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := fleet.Run(ctx); err != nil {
		t.Error(err)
	}
}

// A device can be dropped in each step of connecting, and comes back from it.
func TestFleet_DroppedWhileConnecting(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer packets.Packet // to CONNECT
		want   []device.What
	}{
		"before CONNACK": {nil, []device.What{device.Connecting, device.Dropped, device.Connecting}},
		"before PUBACK": {
			&packets.Connack{Properties: &packets.Properties{}},
			[]device.What{device.Connecting, device.Connected, device.Dropped, device.Connecting},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer broker.Close()
			fleet, stop := start(t, device.Config{Address: broker.Addr().String(), Count: 1, Prefix: "d-", Truth: device.NewTruthLog(nil)})
			defer stop()
			hangs := accept(t, broker, c.answer)
			defer hangs.Close()
			did(t, fleet, "d-0001", c.want[len(c.want)-3], 1)
			if err := fleet.Drop("d-0001", time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, hangs); err != nil { // the device closed it
				t.Error(err)
			}
			accept(t, broker, nil).Close()
			did(t, fleet, "d-0001", device.Connecting, 2)
			if diff := gocmp.Diff(c.want, whats(fleet.Truth(), "d-0001")[:len(c.want)]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// accept reads the CONNECT of one connection and answers, unless answer is nil.
func accept(t *testing.T, broker net.Listener, answer packets.Packet) net.Conn {
	t.Helper()
	conn, err := broker.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := packets.ReadPacket(conn); err != nil {
		t.Fatal(err)
	}
	if answer != nil {
		if _, err := answer.WriteTo(conn); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}

// wiretap counts the bytes that come in on the connections that it accepts.
type wiretap struct {
	net.Listener
	bytes atomic.Int64
}

func (w *wiretap) Accept() (net.Conn, error) {
	conn, err := w.Listener.Accept()
	return &tapped{conn, &w.bytes}, err
}

type tapped struct {
	net.Conn
	bytes *atomic.Int64
}

func (c *tapped) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

// A crash says nothing, not even in TLS.
func TestFleet_DropsWithoutTheFarewellOfTLS(t *testing.T) {
	t.Parallel()
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tap := &wiretap{Listener: inner}
	broker := tls.NewListener(tap, web.TLS)
	defer broker.Close()
	trust := web.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	trust.ServerName = "127.0.0.1"
	fleet, stop := start(t, device.Config{
		Address: inner.Addr().String(), Count: 1, Prefix: "d-", Truth: device.NewTruthLog(nil), TLS: trust,
	})
	defer stop()
	conn := accept(t, broker, &packets.Connack{Properties: &packets.Properties{}})
	defer conn.Close()
	for range 2 { // `connect` and a first ping
		if _, err := packets.ReadPacket(conn); err != nil {
			t.Fatal(err)
		}
	}
	did(t, fleet, "d-0001", device.Connected, 1)
	before := tap.bytes.Load()
	if err := fleet.Drop("d-0001", time.Hour); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, conn); n != 0 || err != nil {
		t.Errorf("got %d bytes and error %v at the broker's end", n, err)
	}
	if n := tap.bytes.Load() - before; n != 0 {
		t.Errorf("got %d bytes of TLS at the broker's end", n)
	}
}
