package certs_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/certs"
	"sluice/config"
	"sluice/internal/testenv"
	"sluice/mqtt"
	"sluice/redisq"
	"sluice/store/postgres"
)

func TestMosquitto_TakesTheCertificates(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	broker, clock, reader := s.issue("broker", certs.Broker), s.issue("clock", certs.Clock), s.issue("analyst", certs.Client)
	acl := filepath.Join(s.dir, "acl")
	must(t, os.WriteFile(acl, []byte("user clock\ntopic write pulse\n"), 0o600))
	address := testenv.Address(t)
	_, port, _ := net.SplitHostPort(address)
	server := testenv.Mosquitto(t, testenv.Config(
		"listener "+port+" 127.0.0.1", "cafile "+s.ca(), "certfile "+broker.Cert, "keyfile "+broker.Key,
		"require_certificate true", "use_identity_as_username true", "acl_file "+acl))

	must(t, s.publish(address, clock))
	if err := s.publish(address, reader); err == nil || !strings.Contains(err.Error(), "not authorized") {
		t.Errorf("another name: got %v, want that it is not authorized", err)
	}
	if err := s.publish(address, nobody()); err == nil {
		t.Error("a client without a certificate was let in")
	}
	s.renew()
	must(t, syscall.Kill(server.PID(), syscall.SIGHUP))
	s.takesOver(address, broker, clock)
	must(t, s.publish(address, clock))
}

// publish sends a pulse.
func (s *site) publish(address string, as certs.Certificate) error {
	s.Helper()
	p, err := mqtt.NewPublisher(mqtt.Config{URL: "mqtts://" + address, TLS: s.client(as), ConnectTimeout: 5 * time.Second})
	must(s, err)
	defer func() { _ = p.Close() }()
	ctx, cancel := context.WithTimeout(s.Context(), 5*time.Second)
	defer cancel()
	_, err = p.Publish(ctx, "pulse", nil, 1)
	return err
}

func TestRedis_TakesTheCertificates(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server := s.issue("redis", certs.Redis)
	redis, address := s.redis(server)
	router, stranger := s.issue("router", certs.BatchRouter), newSite(t).issue("router", certs.BatchRouter)
	open := func(as certs.Certificate) error {
		q, err := redisq.Open(t.Context(), redisq.Config{URL: "rediss://" + address, TLS: s.client(as), Facility: "plant-1", Logger: s.log()})
		if err == nil {
			q.Close()
		}
		return err
	}
	must(t, open(router))
	for name, as := range map[string]certs.Certificate{"none": nobody(), "of another authority": stranger} {
		if open(as) == nil {
			t.Errorf("certificate %s: let in", name)
		}
	}
	s.renew()
	s.reloadRedis(redis.Addr(), server)
	s.takesOver(address, server, router)
	must(t, open(router))
}

// redis starts a server that wants a certificate at the second address.
func (s *site) redis(c certs.Certificate) (server *testenv.Server, address string) {
	s.Helper()
	return s.redisTrusting(c, s.ca())
}

// redisTrusting is the same with the authorities in a file.
func (s *site) redisTrusting(c certs.Certificate, authorities string) (server *testenv.Server, address string) {
	s.Helper()
	address = testenv.Address(s)
	_, port, _ := net.SplitHostPort(address)
	return testenv.Redis(s, testenv.Config(
		"tls-port "+port, "tls-cert-file "+c.Cert, "tls-key-file "+c.Key, "tls-ca-cert-file "+authorities, "tls-auth-clients yes",
	)), address
}

// reloadRedis has it read its files, as the help says.
func (s *site) reloadRedis(address string, c certs.Certificate) {
	s.Helper()
	conn, err := (&net.Dialer{}).DialContext(s.Context(), "tcp", address)
	must(s, err)
	defer conn.Close()
	fmt.Fprintf(conn, "CONFIG SET tls-cert-file %s tls-key-file %s\r\n", c.Cert, c.Key)
	answer := make([]byte, 200)
	n, err := conn.Read(answer)
	must(s, err)
	if got := string(answer[:n]); got != "+OK\r\n" {
		s.Fatalf("CONFIG SET: %s", got)
	}
}

func TestPostgres_TakesTheCertificates(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server := s.issue("postgres", certs.Postgres)
	db, dir := s.postgres(server)
	s.sql(db.URL(), "CREATE ROLE router LOGIN; CREATE ROLE analyst LOGIN")
	router, analyst := s.issue("router", certs.BatchRouter), s.issue("analyst", certs.Client)
	login := func(user string, as certs.Certificate) error {
		_, err := s.login(db.Addr(), user, as)
		return err
	}
	must(t, login("router", router))
	if login("router", analyst) == nil || login("router", nobody()) == nil {
		t.Error("somebody else was let in")
	}
	must(t, login("analyst", analyst))
	// libpq looks at the permissions of a key.
	psql := exec.CommandContext(t.Context(), "psql", fmt.Sprintf("postgres://router@%s/postgres?sslmode=verify-full&sslrootcert=%s&sslcert=%s&sslkey=%s",
		db.Addr(), s.ca(), router.Cert, router.Key), "-c", "SELECT 1")
	if out, err := psql.CombinedOutput(); err != nil {
		t.Errorf("psql: %v: %s", err, out)
	}
	s.renew()
	s.put(server.Key, filepath.Join(dir, "server.key"))
	s.put(server.Cert, filepath.Join(dir, "server.crt"))
	s.sql(db.URL(), "SELECT pg_reload_conf()")
	want := parse(t, server.Cert).SerialNumber.Text(16)
	testenv.Eventually(t, within, func() error {
		got, err := s.login(db.Addr(), "router", router)
		if err == nil && got != want {
			err = fmt.Errorf("it shows certificate %s, want %s", got, want)
		}
		return err
	})
}

// login opens a connection to PostgreSQL, as our services do, and returns the serial number
// of the certificate that the server shows.
func (s *site) login(address, name string, as certs.Certificate) (serial string, err error) {
	s.Helper()
	u, err := config.ParseURL("postgres://" + name + "@" + address + "/postgres")
	must(s, err)
	pool, err := postgres.NewPool(s.Context(), config.Postgres{URL: u, TLSFiles: s.files(as)}.DSN().Reveal())
	if err != nil {
		return "", err
	}
	defer pool.Close()
	conn, err := pool.Acquire(s.Context())
	if err != nil {
		return "", err
	}
	defer conn.Release()
	state := conn.Conn().PgConn().Conn().(*tls.Conn).ConnectionState()
	return state.PeerCertificates[0].SerialNumber.Text(16), nil
}

// postgres starts a server at which everybody but its superuser needs a certificate, and
// returns the folder with the server's own.
func (s *site) postgres(c certs.Certificate) (server *testenv.Server, dir string) {
	s.Helper()
	uid, gid := postgresUser(s)
	dir = s.install(c, uid, gid)
	hba := filepath.Join(dir, "hba")
	must(s, os.WriteFile(hba, []byte("host all postgres 127.0.0.1/32 trust\nhostssl all all 127.0.0.1/32 cert\n"), 0o644))
	quoted := func(name string) string { return " = '" + filepath.Join(dir, name) + "'" }
	return testenv.Postgres(s, testenv.Config("ssl = on", "ssl_ca_file"+quoted("ca.crt"), "ssl_cert_file"+quoted("server.crt"),
		"ssl_key_file"+quoted("server.key"), "hba_file"+quoted("hba"))), dir
}

// sql runs statements as superuser.
func (s *site) sql(url, text string) {
	s.Helper()
	pool, err := postgres.NewPool(s.Context(), url)
	must(s, err)
	defer pool.Close()
	for statement := range strings.SplitSeq(text, ";") {
		if _, err := pool.Exec(s.Context(), statement); err != nil {
			s.Fatal(err)
		}
	}
}
