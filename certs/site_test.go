package certs_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"sluice/certs"
	"sluice/config"
	"sluice/internal/testenv"
)

const within = 30 * time.Second

// site is an installation with certificates of one authority.
type site struct {
	testing.TB
	dir    string
	folder *certs.Folder
}

func newSite(t testing.TB) *site {
	t.Helper()
	dir := t.TempDir()
	return &site{t, dir, mustInit(t, filepath.Join(dir, "certs"))}
}

func (s *site) issue(name string, kind certs.Kind) certs.Certificate {
	s.Helper()
	return issue(s, s.folder, name, kind)
}

func (s *site) ca() string { return s.folder.Authority().Cert }

// renew replaces certificates, all of them without names, and their keys.
func (s *site) renew(names ...string) {
	s.Helper()
	_, err := s.folder.Renew(certs.Renewal{Before: 31 * certs.Day, Names: names, NewKey: true})
	must(s, err)
}

// files are those of a client.
func (s *site) files(c certs.Certificate) config.TLSFiles {
	return config.TLSFiles{CA: s.ca(), Cert: c.Cert, Key: c.Key}
}

// client are the settings of a client; nobody has no certificate.
func (s *site) client(c certs.Certificate) *tls.Config {
	s.Helper()
	settings, err := s.files(c).Client("127.0.0.1")
	must(s, err)
	return settings
}

// nobody has no certificate.
func nobody() certs.Certificate { return certs.Certificate{} }

// serial is that of the certificate which a server shows.
func (s *site) serial(address string, as certs.Certificate) (string, error) {
	s.Helper()
	c := s.client(as)
	c.NextProtos = []string{"h2"}
	dialer := tls.Dialer{Config: c, NetDialer: &net.Dialer{Timeout: 5 * time.Second}}
	conn, err := dialer.DialContext(s.Context(), "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Text(16), nil
}

// takesOver wants a server to show the certificate as it is in the folder now.
func (s *site) takesOver(address string, shown, as certs.Certificate) {
	s.Helper()
	want := parse(s, shown.Cert).SerialNumber.Text(16)
	if want == shown.Serial {
		s.Fatalf("%s was not renewed", shown.Name)
	}
	testenv.Eventually(s, within, func() error {
		got, err := s.serial(address, as)
		if err == nil && got != want {
			err = fmt.Errorf("%s shows %s, want %s", shown.Name, got, want)
		}
		return err
	})
}

// install copies a pair to where the server's own user reads it, as an administrator does,
// and returns the paths.
func (s *site) install(c certs.Certificate, uid, gid int) (dir string) {
	s.Helper()
	dir, err := os.MkdirTemp("", "installed")
	must(s, err)
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(s, os.Chmod(dir, 0o755))
	for from, to := range map[string]string{s.ca(): "ca.crt", c.Cert: "server.crt", c.Key: "server.key"} {
		s.put(from, filepath.Join(dir, to))
		must(s, os.Chown(filepath.Join(dir, to), uid, gid))
	}
	return dir
}

// put copies a file with its permissions.
func (s *site) put(from, to string) {
	s.Helper()
	info, err := os.Stat(from)
	must(s, err)
	text, err := os.ReadFile(from)
	must(s, err)
	must(s, os.WriteFile(to, text, info.Mode().Perm()))
}

// postgresUser is who runs PostgreSQL: we, unless we are root.
func postgresUser(t testing.TB) (uid, gid int) {
	t.Helper()
	if os.Geteuid() != 0 {
		return os.Geteuid(), os.Getegid()
	}
	u, err := user.Lookup("postgres")
	must(t, err)
	uid, err = strconv.Atoi(u.Uid)
	must(t, err)
	gid, err = strconv.Atoi(u.Gid)
	must(t, err)
	return uid, gid
}

// run runs a service until the test ends.
func (s *site) run(service interface{ Run(context.Context) error }) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()
	s.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			s.Errorf("the service ended: %v", err)
		}
	})
}

func (s *site) log() *slog.Logger { return slog.New(slog.NewTextHandler(s.Output(), nil)) }

// load reads a configuration.
func (s *site) load(text string, options ...config.Option) *config.Config {
	s.Helper()
	path := filepath.Join(s.dir, "sluice.yaml")
	must(s, os.WriteFile(path, []byte(text), 0o600))
	c, err := config.Load(path, nil, options...)
	must(s, err)
	return c
}
