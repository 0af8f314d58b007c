package hostiletest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/app"
	"sluice/certs"
	"sluice/config"
	"sluice/internal/outagekit"
	"sluice/internal/pathload"
	"sluice/internal/process"
	"sluice/internal/testenv"
	"sluice/store/postgres"
	"sluice/users"
)

// The users. Two devices are the victims: good sends all the time, quiet says nothing
// after its connect, so that nothing it sends hides what is said in its name. late comes
// in the middle of a flood. The auditor reads all topics.
const (
	router  = "router"
	clock   = "clock"
	auditor = "auditor"
	good    = "dev-good"
	quiet   = "dev-quiet"
	late    = "dev-late"
	evil    = "dev-evil"
)

// Who connects with another certificate than that of a user.
const (
	nobody   = "nobody"   // has none
	stranger = "stranger" // has one of another authority
	old      = "old"      // speaks TLS 1.1, with evil's
)

const facility = "plant-1"

// site is the servers of one test, with one batch-router.
type site struct {
	*testing.T

	door      bool
	address   string // where devices connect
	passwords map[string]string
	tls       map[string]*tls.Config // by user
	folder    *certs.Folder
	files     users.Files

	broker, redis *testenv.Server // broker: nil with a door
	redisAddress  string
	url           string // of the database
	pool          *pgxpool.Pool
	stub          *outagekit.Stub
	config        string
	router        *process.Process
	admin         *app.AdminClient
}

// newSite starts the servers and a router that reads them: a Mosquitto, or its own door.
func newSite(t *testing.T, door bool) *site {
	t.Helper()
	s := &site{T: t, door: door, passwords: map[string]string{}, tls: map[string]*tls.Config{}, stub: outagekit.NewStub(t), url: testenv.Database(t)}
	_, _, err := postgres.Migrate(t.Context(), s.url)
	must(t, err)
	s.pool, err = pgxpool.New(t.Context(), s.url)
	must(t, err)
	t.Cleanup(s.pool.Close)
	s.enlist()
	s.redis, s.redisAddress = startRedis(t, s.ca(), s.issue("redis", certs.Redis))
	if door {
		s.address = testenv.Address(t)
	} else {
		s.broker, s.address = startMosquitto(t, s.ca(), s.issue("broker", certs.Broker), s.files)
	}
	s.configure()
	s.start()
	return s
}

// enlist makes users with passwords and certificates.
func (s *site) enlist() {
	s.Helper()
	dir := s.TempDir()
	folder, err := certs.Init(filepath.Join(dir, "certs"), certs.Day)
	must(s, err)
	s.folder = folder
	s.files = users.Files{Passwords: filepath.Join(dir, "users.txt"), ACL: filepath.Join(dir, "acl.txt")}
	list := []users.User{{Name: router, Role: users.Router}, {Name: auditor, Role: users.Router}, {Name: clock, Role: users.Clock}}
	for _, name := range []string{good, quiet, late, evil} {
		list = append(list, users.User{Name: name, Role: users.Device})
	}
	secrets, err := s.files.Add(list, nil)
	must(s, err)
	for _, secret := range secrets {
		kind := map[users.Role]certs.Kind{users.Router: certs.BatchRouter, users.Clock: certs.Clock, users.Device: certs.Device}[secret.Role]
		s.passwords[secret.Name] = secret.Password
		s.tls[secret.Name] = s.client(s.issue(secret.Name, kind))
	}
	s.tls[nobody] = s.client(certs.Certificate{})
	s.tls[old] = s.tls[evil].Clone()
	s.tls[old].MinVersion, s.tls[old].MaxVersion = tls.VersionTLS11, tls.VersionTLS11
	s.tls[stranger] = s.strange(filepath.Join(dir, "strange"))
}

// strange has a certificate in evil's name that another authority has signed.
func (s *site) strange(dir string) *tls.Config {
	s.Helper()
	folder, err := certs.Init(dir, certs.Day)
	must(s, err)
	made, err := folder.Issue(certs.Request{Name: evil, Kind: certs.Device, Life: certs.Day})
	must(s, err)
	return s.client(made)
}

func (s *site) ca() string { return s.folder.Authority().Cert }

func (s *site) issue(name string, kind certs.Kind) certs.Certificate {
	s.Helper()
	r := certs.Request{Name: name, Kind: kind, Life: certs.Day}
	if kind == certs.Broker || kind == certs.Redis || kind == certs.BatchRouter {
		r.Hosts = []string{"127.0.0.1"}
	}
	made, err := s.folder.Issue(r)
	must(s, err)
	return made
}

func (s *site) client(c certs.Certificate) *tls.Config {
	s.Helper()
	made, err := config.TLSFiles{CA: s.ca(), Cert: c.Cert, Key: c.Key}.Client("127.0.0.1")
	must(s, err)
	return made
}

// configure writes the router's configuration.
func (s *site) configure() {
	s.Helper()
	dir, err := os.MkdirTemp("", "hostile") // the path of a socket must be short
	must(s, err)
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	s.config, s.admin = filepath.Join(dir, "sluice.yaml"), app.NewAdminClient(filepath.Join(dir, "admin.sock"))
	key := filepath.Join(filepath.Dir(s.ca()), router)
	tlsKeys := fmt.Sprintf("ca: %q, cert: %q, key: %q", s.ca(), key+".crt", key+".key")
	way := fmt.Sprintf("broker: {url: %q, user: router, password: %q, %s}", "mqtts://"+s.address, s.passwords[router], tlsKeys)
	if s.door {
		way = fmt.Sprintf("listen: {addresses: [{address: %q, tls: {cert: %q, key: %q, client_ca: %q}}], users: %q, acl: %q, user_is_client: true}",
			s.address, key+".crt", key+".key", s.ca(), s.files.Passwords, s.files.ACL)
	}
	must(s, os.WriteFile(s.config, fmt.Appendf(nil, `facility: %s
%s
queue: {redis: {url: "rediss://%s", user: router, password: %q, %s}}
store: {postgres: {url: %q}}
routes: [{topic: [data/sensor, "data/sensor/{device}"], batch: {max: 500, timeout: 50ms}, sink: sensor}]
notify: [{kind: webhook, url: %q}]
admin: admin.sock
metrics: {batch_router: off}
`, facility, way, s.redisAddress, routerPassword, tlsKeys, s.url, s.stub.URL+"/hook"), 0o600))
}

// start starts the router and returns when it reads.
func (s *site) start() {
	s.Helper()
	s.router = process.Start(s.T, envRouter, s.config)
	pathload.Eventually(s, patience, func() error {
		if s.router.Gone() {
			s.Fatal("the router has ended")
		}
		status, err := s.status()
		if err == nil && len(status.Faults()) > 0 {
			err = fmt.Errorf("the router is not ready: %v", status.Faults())
		}
		if err == nil && !status.Leading && !s.door {
			err = errors.New("the router does not read the broker")
		}
		return err
	})
}

func (s *site) status() (app.Status, error) {
	ctx, cancel := context.WithTimeout(s.Context(), 5*time.Second)
	defer cancel()
	return s.admin.Status(ctx)
}

// number runs a query that gives one number.
func (s *site) number(sql string, args ...any) (n int64) {
	s.Helper()
	must(s, s.pool.QueryRow(s.Context(), sql, args...).Scan(&n))
	return n
}

// rowsOf counts the readings of a device.
func (s *site) rowsOf(device string) int64 {
	s.Helper()
	return s.number("SELECT count(*) FROM data.sensor WHERE device = $1", device)
}

// goesOn waits until so many further readings of the honest device are stored: whatever
// is on its way to anybody has come by then.
func (s *site) goesOn(rows int64) {
	s.Helper()
	want := s.rowsOf(good) + rows
	pathload.Eventually(s, patience, func() error {
		if got := s.rowsOf(good); got < want {
			return fmt.Errorf("%s has %d rows, want %d", good, got, want)
		}
		return nil
	})
}
