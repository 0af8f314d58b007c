package server

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"

	"sluice/mqtt/server/wire"
)

// faults fails a test that logs an error.
type faults struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (f *faults) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.text.Write(b)
}

// FuzzConnection sends what it likes behind a CONNECT: the connection may end, but
// never by a panic, and everybody else is served on.
func FuzzConnection(f *testing.F) {
	c := &client{TB: f, version: wire.V5}
	f.Add([]byte{0xC0, 0})
	f.Add(c.message("data", "1", 1, 0))
	f.Add(c.message("pulse", "1", 1, 8))
	f.Add(packet(0x82, append(str([]byte{0, 1, 0}, "pulse/#"), 1)))
	f.Add(packet(0xA2, str([]byte{0, 1, 0}, "pulse/#")))
	f.Add([]byte("\xa2\x8a\x00000\x82\x82\x82  000")) // a padded length
	f.Add([]byte{0x40, 2, 0, 1})
	f.Add([]byte{0xE0, 1, 4})
	log := &faults{}
	_, s := opened(f, Config{
		Rate: 1e9, Burst: 1e9, Routed: func(topic string) bool { return topic == "data" }, Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	go func() {
		for { // until the session is closed
			ds, err := s.Receive(context.Background())
			if err != nil {
				return
			}
			s.Ack(ds)
		}
	}()
	f.Fuzz(func(t *testing.T, b []byte) {
		c := dialTo(t, s)
		c.hello(hello{id: "fuzz", will: &testWill{topic: "pulse"}})
		c.write(b)
		c.Conn.(*net.TCPConn).CloseWrite()
		c.ends()
		log.mu.Lock()
		defer log.mu.Unlock()
		if log.text.Len() > 0 {
			t.Error(log.text.String())
		}
	})
}
