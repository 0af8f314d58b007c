package certs_test

import (
	"context"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/app"
	"sluice/certs"
	"sluice/config"
	"sluice/internal/testenv"
	"sluice/redisq"
	"sluice/store/postgres"
)

func TestPostgres_NextConnectionTakesARenewedCertificate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	db, _ := s.postgres(s.issue("postgres", certs.Postgres))
	s.sql(db.URL(), "CREATE ROLE router LOGIN")
	router := s.issue("router", certs.BatchRouter)
	pool := s.pool(db.Addr(), "router", router)
	old := s.acquire(pool)
	s.knows(old, router.Serial)

	s.renew("router")
	renewed := parse(t, router.Cert).SerialNumber.Text(16)
	fresh := s.acquire(pool)
	s.knows(fresh, renewed)
	s.knows(old, router.Serial)

	must(t, os.WriteFile(router.Key, []byte("half of a new key"), 0o600))
	err := pool.AcquireFunc(t.Context(), func(*pgxpool.Conn) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "failed to decode sslkey") {
		t.Errorf("got %v, want that sslkey cannot be used", err)
	}
	s.knows(fresh, renewed)
	must(t, os.Remove(router.Key))
	must(t, os.Remove(router.Cert))
	again := s.issue("router", certs.BatchRouter)
	s.knows(s.acquire(pool), again.Serial)
}

// pool opens connections as our services do.
func (s *site) pool(address, role string, as certs.Certificate) *pgxpool.Pool {
	s.Helper()
	u, err := config.ParseURL("postgres://" + role + "@" + address + "/postgres")
	must(s, err)
	pool, err := postgres.NewPool(s.Context(), config.Postgres{URL: u, TLSFiles: s.files(as)}.DSN().Reveal())
	must(s, err)
	s.Cleanup(pool.Close)
	return pool
}

func (s *site) acquire(pool *pgxpool.Pool) *pgxpool.Conn {
	s.Helper()
	conn, err := pool.Acquire(s.Context())
	must(s, err)
	s.Cleanup(conn.Release)
	return conn
}

// knows wants PostgreSQL to know a connection by the certificate with this serial number.
func (s *site) knows(conn *pgxpool.Conn, serial string) {
	s.Helper()
	var got string
	must(s, conn.QueryRow(s.Context(), "SELECT client_serial::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&got))
	n, _ := new(big.Int).SetString(got, 10)
	if n.Text(16) != serial {
		s.Errorf("the server knows certificate %s, want %s", n.Text(16), serial)
	}
}

// A batch-router reads Mosquitto and keeps its queue in Redis, both by certificate. Its
// certificate is replaced by one of another authority, and both servers restart and take
// only that one: the router is back with the new certificate, and has lost nothing.
func TestRouter_ReconnectsWithTheReplacedCertificate(t *testing.T) {
	t.Parallel()
	s, next := newSite(t), newSite(t)
	trusted := filepath.Join(s.dir, "trusted.crt")
	s.put(s.ca(), trusted)
	broker, mqttAddress := s.mosquitto(s.issue("broker", certs.Broker), trusted)
	redis, queue := s.redisTrusting(s.issue("redis", certs.Redis), trusted)
	router, device := s.issue("router", certs.BatchRouter), s.issue("dev-1", certs.Device)
	database := testenv.Database(t)
	_, _, err := postgres.Migrate(t.Context(), database)
	must(t, err)
	socket := filepath.Join(t.TempDir(), "a")
	s.run(app.NewBatchRouter(s.load(fmt.Sprintf(`facility: plant-1
broker: {url: "mqtts://%s", ca: %q, cert: %q, key: %q}
queue: {redis: {url: "rediss://%s", ca: %q, cert: %q, key: %q}}
store: {postgres: {url: %q}}
routes: [{topic: "data/sensor/{device}", batch: {timeout: 10ms}, sink: sensor}]
admin: %q
metrics: {batch_router: off}
`, mqttAddress, s.ca(), router.Cert, router.Key, queue, s.ca(), router.Cert, router.Key, database, socket),
		app.BatchRouterConfig(app.DefaultSinks())...), app.DefaultSinks(), s.log()))
	s.leads(socket)
	s.sends(mqttAddress, device, 1_700_000_000)
	s.stored(database, 1)

	replaced := next.issue("router", certs.BatchRouter)
	s.put(replaced.Key, router.Key)
	s.put(replaced.Cert, router.Cert)
	s.put(next.ca(), trusted)
	for _, server := range []*testenv.Server{redis, broker} {
		server.Stop(syscall.SIGTERM)
		server.Start()
	}
	if s.publish(mqttAddress, device) == nil || s.opens(queue, device) == nil {
		t.Error("a certificate of the old authority is still taken")
	}
	s.sends(mqttAddress, next.issue("dev-1", certs.Device), 1_700_000_001)
	s.stored(database, 2)
}

// mosquitto starts a broker that takes certificates of the authorities in a file, and
// returns where.
func (s *site) mosquitto(c certs.Certificate, authorities string) (server *testenv.Server, address string) {
	s.Helper()
	address = testenv.Address(s)
	_, port, _ := net.SplitHostPort(address)
	return testenv.Mosquitto(s, testenv.Config("listener "+port+" 127.0.0.1", "cafile "+authorities,
		"certfile "+c.Cert, "keyfile "+c.Key, "require_certificate true", "use_identity_as_username true")), address
}

func (s *site) opens(address string, as certs.Certificate) error {
	s.Helper()
	q, err := redisq.Open(s.Context(), redisq.Config{URL: "rediss://" + address, TLS: s.client(as), Facility: "plant-1", Logger: s.log()})
	if err == nil {
		q.Close()
	}
	return err
}

// leads waits until the router reads the broker.
func (s *site) leads(socket string) {
	s.Helper()
	admin := app.NewAdminClient(socket)
	testenv.Eventually(s, within, func() error {
		status, err := admin.Status(s.Context())
		if err == nil && !status.Leading {
			err = fmt.Errorf("does not read the broker: %v", status.Checks)
		}
		return err
	})
}

// stored waits until there are so many readings.
func (s *site) stored(database string, want int) {
	s.Helper()
	pool, err := postgres.NewPool(s.Context(), database)
	must(s, err)
	defer pool.Close()
	testenv.Eventually(s, within, func() error {
		var got int
		err := pool.QueryRow(context.WithoutCancel(s.Context()), "SELECT count(*) FROM data.sensor").Scan(&got)
		if err == nil && got != want {
			err = fmt.Errorf("%d readings, want %d", got, want)
		}
		return err
	})
}
