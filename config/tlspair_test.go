package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sluice/internal/certtest"
)

// pairSite is a server that wants certificates of an authority, and a client's files.
type pairSite struct {
	testing.TB
	dir       string
	authority *certtest.Authority
}

func newPairSite(t testing.TB) *pairSite {
	s := &pairSite{t, t.TempDir(), certtest.New(t)}
	s.authority.Write(t, s.dir, "ca")
	s.authority.Issue(t, s.dir, "server", time.Now().Add(time.Hour))
	return s
}

func (s *pairSite) path(name string) string { return filepath.Join(s.dir, name) }

// issue replaces the client's pair and returns its serial number.
func (s *pairSite) issue(until time.Time) string {
	s.Helper()
	s.authority.Issue(s, s.dir, "client", until)
	pair, err := tls.LoadX509KeyPair(s.path("client.crt"), s.path("client.key"))
	s.must(err)
	return pair.Leaf.SerialNumber.String()
}

func (s *pairSite) client() *tls.Config {
	s.Helper()
	c, err := TLSFiles{CA: s.path("ca.crt"), Cert: s.path("client.crt"), Key: s.path("client.key")}.Client("127.0.0.1")
	s.must(err)
	return c
}

// connect returns the serial number of the certificate with which the server knows c.
func (s *pairSite) connect(c *tls.Config) (serial string, err error) {
	s.Helper()
	pair, err := tls.LoadX509KeyPair(s.path("server.crt"), s.path("server.key"))
	s.must(err)
	pem, err := os.ReadFile(s.path("ca.crt"))
	s.must(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})
	done := make(chan error, 1)
	go func() {
		done <- server.Handshake()
		far.Close()
	}()
	err = tls.Client(near, c).Handshake()
	near.Close()
	if err := errors.Join(err, <-done); err != nil {
		return "", err
	}
	return server.ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
}

func (s *pairSite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *pairSite) knows(c *tls.Config, want string) {
	s.Helper()
	got, err := s.connect(c)
	s.must(err)
	if got != want {
		s.Errorf("the server knows certificate %s, want %s", got, want)
	}
}

func TestTLSFiles_Client_TakesARenewedCertificate(t *testing.T) {
	s := newPairSite(t)
	first := s.issue(time.Now().Add(time.Hour))
	c := s.client()
	s.knows(c, first)
	s.must(os.WriteFile(s.path("client.key"), []byte("half of a new key"), 0o600))
	s.knows(c, first)
	s.knows(c.Clone(), first)
	second := s.issue(time.Now().Add(time.Hour))
	s.knows(c, second)
	s.must(os.Remove(s.path("client.crt")))
	s.knows(c, second)
}

func TestTLSFiles_Client_TellsWhyAnExpiredCertificateIsNotReplaced(t *testing.T) {
	s := newPairSite(t)
	s.issue(time.Now().Add(-time.Minute))
	c := s.client()
	s.must(os.Remove(s.path("client.key")))
	if _, err := s.connect(c); err == nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that the key is missing", err)
	}
	s.knows(c, s.issue(time.Now().Add(time.Hour)))
}
