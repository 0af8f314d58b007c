package server

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/internal/testenv"
	"sluice/mqtt/server/wire"
)

// unlisted are guests without passwords, but with an access list.
func unlisted(t testing.TB, acl string) *guests {
	t.Helper()
	g := newGuests(t, acl)
	g.files.Passwords = ""
	return g
}

func TestTLS_CertificateOfTheClientIsItsUser(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.issue("meter", "a")
	s := newSite(t, unlisted(t, deviceACL).at, a.secure(a.path("ca.crt")))
	c, _ := s.dial().over(a.client("meter"))
	c.hello(hello{id: "x", user: "b"})
	c.acks(wire.Success, c.publish("data/a/x", "1"))
	c.acks(wire.NotAuthorized, c.publish("data/b/x", "2"))
	a.closed(s.server.Addr(0).String(), hello{id: "x"})
}

// closed wants a client without a certificate to get no answer.
func (a *authority) closed(address string, h hello) {
	a.Helper()
	c, _ := strangerAt(a, address).over(a.client(""))
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = c.Write(h.packet()) // of TLS 1.3: the refusal comes behind the handshake
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		a.Errorf("%s: a client without a certificate was not refused: %v", h.id, err)
	}
}

// strangerAt connects to a server that is no site.
func strangerAt(t testing.TB, address string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{TB: t, Conn: conn, version: wire.V5}
}

// Both are wanted where both are given, here as at Mosquitto (require_certificate true,
// use_identity_as_username false).
func TestTLS_CertificateAndPassword_BothAreWanted(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.issue("meter", "a", "sluice://device/a")
	g := newGuests(t, deviceACL, "b")
	door := newSite(t, g.at, a.secure(a.path("ca.crt"))).server.Addr(0).String()
	broker := testenv.Address(t)
	_, port, _ := net.SplitHostPort(broker)
	testenv.Mosquitto(t, testenv.Config("listener "+port+" 127.0.0.1", "allow_anonymous false",
		"password_file "+g.files.Passwords, "acl_file "+g.files.ACL,
		"cafile "+a.path("ca.crt"), "certfile "+a.path("door.crt"), "keyfile "+a.path("door.key"), "require_certificate true"))
	for _, v := range []wire.Version{wire.V311, wire.V5} {
		for _, c := range []struct {
			hello
			letIn bool
		}{
			{hello{version: v, id: "right", user: "b", password: "pass"}, true},
			{hello{version: v, id: "wrong", user: "b", password: "word"}, false},
			{hello{version: v, id: "name only", user: "b"}, false},
			{hello{version: v, id: "the certificate's name", user: "a", password: "pass"}, false},
			{hello{version: v, id: "nothing"}, false},
		} {
			for server, address := range map[string]string{"front door": door, "mosquitto": broker} {
				client, _ := strangerAt(t, address).over(a.client("meter"))
				if got := client.hello(c.hello); (got == wire.Success) != c.letIn {
					t.Errorf("%s, version %d, %s: CONNACK %#x, want that it is let in: %t", server, v, c.id, byte(got), c.letIn)
				}
				a.closed(address, c.hello)
			}
		}
	}
}

func TestTLS_CertificateAndPassword_TheUserIsThatOfThePassword(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.issue("meter", "a")
	g := newGuests(t, deviceACL, "b")
	s := newSite(t, g.at, a.secure(a.path("ca.crt")))
	c, _ := s.dial().over(a.client("meter"))
	c.hello(hello{id: "x", user: "b", password: "pass"})
	c.acks(wire.Success, c.publish("data/b/x", "1"))
	c.acks(wire.NotAuthorized, c.publish("data/a/x", "2"))
	g.remove("b")
	if got := c.ends(); got != wire.NotAuthorized {
		t.Errorf("the user is removed: DISCONNECT %v, want 0x87", got)
	}
	again, _ := s.dial().over(a.client("meter"))
	if got := again.hello(hello{id: "x", user: "b", password: "pass"}); got != wire.BadUserOrPassword {
		t.Errorf("the user is removed: CONNACK %v, want 0x86", got)
	}
}

func TestTLS_CertificateOfAnotherClass_IsRefused(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	log := &journal{}
	s := newSite(t, a.secure(a.path("ca.crt")), func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	refused := uint64(0)
	for _, c := range []struct {
		name string
		uris []string
		good bool
	}{
		{"no URI", nil, true},
		{"another scheme", []string{"spiffe://client/a"}, true},
		{"device", []string{"sluice://device/a"}, true},
		{"service", []string{"sluice://service/a", "https://example.com"}, true},
		{"reader", []string{"sluice://client/a"}, false},
		{"device and reader", []string{"sluice://device/a", "sluice://client/a"}, false},
		{"no class", []string{"sluice:///a"}, false},
		{"unknown class", []string{"sluice://devices/a"}, false},
	} {
		a.issue("one", "a", c.uris...)
		for _, v := range []wire.Version{wire.V311, wire.V5} {
			want := wire.Success
			switch {
			case c.good:
			case v == wire.V311:
				want, refused = 5, refused+1
			default:
				want, refused = wire.NotAuthorized, refused+1
			}
			client, _ := s.dial().over(a.client("one"))
			if got := client.hello(hello{version: v, id: "a"}); got != want {
				t.Errorf("%s, version %d: CONNACK %#x, want %#x", c.name, v, byte(got), byte(want))
			}
		}
	}
	if got := s.server.Stats().Connects[wire.NotAuthorized]; got != refused {
		t.Errorf("counted %d refusals, want %d", got, refused)
	}
	if want := `the certificate has the URI \"sluice://client/a\"`; !strings.Contains(log.text(), want) {
		t.Errorf("the log lacks %s: %s", want, log.text())
	}
}

// journal keeps a log. Safe for concurrent use.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}
