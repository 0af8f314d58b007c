// Package apptest runs batch-routers in tests, against real servers.
//
//	site := apptest.New(t, apptest.Site{})
//	router := site.Start(t, app.DefaultSinks())
//	router.AwaitLeading(t)
//	site.Publish(t, "data/sensor", apptest.Reading("d1", 1_700_000_000, 21.5))
//	router.AwaitStored(t, "data/sensor", 1)
package apptest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/proto"

	"sluice/app"
	"sluice/config"
	"sluice/gen/msg"
	"sluice/internal/testenv"
	"sluice/mqtt"
	"sluice/store/postgres"
)

// Facility is the name of the facility in every configuration.
const Facility = "plant-1"

// Site is what the routers of one facility need. New fills in what is not set.
type Site struct {
	// Broker stays nil with Door.
	Broker, Redis *testenv.Server
	// Door makes the routers listen on a free address instead of reading a broker.
	// DoorKeys is YAML of what listen has beside its addresses: `users: u.txt, ...`.
	Door     bool
	DoorKeys string
	// Database is the URL of a database. One that New makes is migrated.
	Database string
	// Metrics is the address of the router's pages; New chooses a free one.
	Metrics string
	// Extra is YAML at the end of the configuration.
	Extra string

	// Dir holds the configuration sluice.yaml and the admin socket. Its path is
	// short, since that of a socket must be.
	Dir string

	address   string // of the broker or the door
	publisher *mqtt.Publisher
}

// New starts the servers that s lacks and writes the configuration.
func New(t testing.TB, s Site) *Site {
	t.Helper()
	s.address = s.mqtt(t)
	if s.Redis == nil {
		s.Redis = testenv.Redis(t)
	}
	if s.Database == "" {
		s.Database = testenv.Database(t)
		s.Migrate(t)
	}
	if s.Metrics == "" {
		s.Metrics = freeAddress(t)
	}
	dir, err := os.MkdirTemp("", "site")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s.Dir = dir
	s.publisher, err = mqtt.NewPublisher(mqtt.Config{URL: "mqtt://" + s.address})
	must(t, err)
	t.Cleanup(func() { _ = s.publisher.Close() })
	s.Rewrite(t)
	return &s
}

// Rewrite writes the configuration again, for routers that start from now on.
func (s *Site) Rewrite(t testing.TB) {
	t.Helper()
	must(t, os.WriteFile(s.Path(), []byte(s.text()), 0o600))
}

// mqtt returns the address of the door, or of a broker that runs.
func (s *Site) mqtt(t testing.TB) string {
	t.Helper()
	if s.Door {
		return freeAddress(t)
	}
	if s.Broker == nil {
		s.Broker = testenv.Mosquitto(t)
	}
	return s.Broker.Addr()
}

// Address is where devices connect: host:port of the broker or the door.
func (s *Site) Address() string { return s.address }

// Path is where the configuration lies.
func (s *Site) Path() string { return filepath.Join(s.Dir, "sluice.yaml") }

// Socket is where the admin socket lies.
func (s *Site) Socket() string { return filepath.Join(s.Dir, "admin.sock") }

func (s *Site) text() string {
	return fmt.Sprintf(`facility: %s
%s
queue: {redis: {url: %q}}
store: {postgres: {url: %q}}
admin: admin.sock
metrics: {batch_router: %q, clock: off, device: off}
%s`, Facility, s.way(), s.Redis.URL(), s.Database, s.Metrics, s.Extra)
}

// way is how messages come in, in one line.
func (s *Site) way() string {
	if !s.Door {
		return fmt.Sprintf("broker: {url: %q}", s.Broker.URL())
	}
	keys := s.DoorKeys
	if keys != "" {
		keys = ", " + keys
	}
	return fmt.Sprintf("listen: {addresses: [{address: %q}]%s}", s.address, keys)
}

// Config returns the configuration as a batch-router with these sinks reads it.
func (s *Site) Config(t testing.TB, sinks app.Sinks) *config.Config {
	t.Helper()
	c, err := config.Load(s.Path(), nil, app.BatchRouterConfig(sinks)...)
	must(t, err)
	return c
}

// Migrate brings the database to the current schema.
func (s *Site) Migrate(t testing.TB) {
	t.Helper()
	_, _, err := postgres.Migrate(t.Context(), s.Database)
	must(t, err)
}

// Publish sends a message with QoS 1 and returns when the broker has it for a
// subscriber; it waits until there is one. With Door: when it is stored.
func (s *Site) Publish(t testing.TB, topic string, payload []byte) {
	t.Helper()
	testenv.Eventually(t, within, func() error {
		receipt, err := s.publisher.Publish(t.Context(), topic, payload, 1)
		if receipt.NoSubscribers {
			err = fmt.Errorf("publish to %s: nobody has subscribed", topic)
		}
		return err
	})
}

// Exec runs SQL in the site's database.
func (s *Site) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	pool := s.pool(t)
	defer pool.Close()
	_, err := pool.Exec(t.Context(), sql, args...)
	must(t, err)
}

// Count runs a query that gives one number.
func (s *Site) Count(t testing.TB, sql string, args ...any) (n int64) {
	t.Helper()
	pool := s.pool(t)
	defer pool.Close()
	must(t, pool.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

func (s *Site) pool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), s.Database)
	must(t, err)
	return pool
}

// Reading encodes a msg.SensorData with a relative humidity of 40 %.
// The device's name must be UTF-8.
func Reading(device string, epoch int64, temp float32) []byte {
	payload, _ := proto.Marshal(&msg.SensorData{Device: device, Temp: temp, Rh: 40, Epoch: epoch})
	return payload
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	must(t, l.Close())
	return l.Addr().String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
