package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sluice/mqtt/server/wire"
)

// authority signs certificates for a test.
type authority struct {
	testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{TB: t, dir: t.TempDir()}
	a.key = a.newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	a.must(err)
	a.cert, err = x509.ParseCertificate(der)
	a.must(err)
	a.write("ca.crt", "CERTIFICATE", der)
	return a
}

func (a *authority) must(err error) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.must(err)
	return key
}

func (a *authority) write(name, kind string, der []byte) {
	a.must(os.WriteFile(a.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

// issue writes name.crt and name.key for 127.0.0.1 with that common name and these URIs.
func (a *authority) issue(name, common string, uris ...string) {
	key := a.newKey()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	a.must(err)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: common}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, text := range uris {
		u, err := url.Parse(text)
		a.must(err)
		template.URIs = append(template.URIs, u)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	a.must(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	a.must(err)
	a.write(name+".crt", "CERTIFICATE", der)
	a.write(name+".key", "PRIVATE KEY", private)
}

// secure makes the listener one of TLS, with the pair "door".
func (a *authority) secure(clientCA string) func(*Config) {
	a.issue("door", "door")
	config, err := TLS(a.path("door.crt"), a.path("door.key"), clientCA, slog.New(slog.DiscardHandler))
	a.must(err)
	return func(c *Config) { c.Listeners[0].TLS = config }
}

// client is the configuration of a client, with a certificate unless name is "".
func (a *authority) client(name string) *tls.Config {
	c := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1"}
	c.RootCAs.AddCert(a.cert)
	if name != "" {
		pair, err := tls.LoadX509KeyPair(a.path(name+".crt"), a.path(name+".key"))
		a.must(err)
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

// over makes a connection one of TLS.
func (c *client) over(config *tls.Config) (*client, *tls.Conn) {
	t := tls.Client(c.Conn, config)
	c.Conn = t
	return c, t
}

func TestTLS_PublishIsStored(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s := newSite(t, a.secure(""))
	c, _ := s.dial().over(a.client(""))
	c.hello(hello{id: "a"})
	var want []string
	var b []byte
	for id := range uint16(200) { // many records in one read, and packets over their borders
		want = append(want, string(make([]byte, id*7)))
		b = append(b, c.message("data/a", want[id], id+1, 0)...)
	}
	for len(b) > 0 {
		n := min(1500, len(b))
		c.write(b[:n])
		b = b[n:]
	}
	c.acks(wire.Success, ids(1, 200)...)
	s.stores(want...)
}

func TestTLS_TakeoverTellsTheReason(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s := newSite(t, a.secure(""))
	old, _ := s.dial().over(a.client(""))
	old.hello(hello{id: "a"})
	fresh, _ := s.dial().over(a.client(""))
	fresh.hello(hello{id: "a"})
	if got := old.ends(); got != wire.SessionTakenOver {
		t.Errorf("DISCONNECT %v, want 0x8E", got)
	}
	s.stop()
	if got := fresh.ends(); got != wire.ServerShuttingDown {
		t.Errorf("DISCONNECT %v, want 0x8B", got)
	}
}

func TestTLS_ChangedCertificate_IsTakenOver(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s := newSite(t, a.secure(""))
	serial := func() string {
		_, conn := s.dial().over(a.client(""))
		a.must(conn.Handshake())
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before := serial()
	a.must(os.WriteFile(a.path("door.crt"), []byte("half written"), 0o600))
	if serial() != before {
		t.Error("another certificate, want the old one while the file is broken")
	}
	a.issue("door", "a longer name than before")
	if serial() == before {
		t.Error("the old certificate, want the new one")
	}
}

func TestTLS_MissingFiles_AreRefused(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.issue("door", "door")
	a.must(os.WriteFile(a.path("empty"), nil, 0o600))
	for _, ca := range []string{a.path("none"), a.path("empty")} {
		if _, err := TLS(a.path("door.crt"), a.path("door.key"), ca, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: no error", ca)
		}
	}
	if _, err := TLS(a.path("none"), a.path("none"), "", slog.New(slog.DiscardHandler)); err == nil {
		t.Error("no error without a certificate")
	}
}
