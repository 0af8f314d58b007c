package doortest

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sluice/app"
	"sluice/internal/pathload"
	"sluice/internal/process"
	"sluice/internal/testenv"
)

const facility = "plant-1"

// patience bounds every wait: far more than a slow machine needs.
const patience = process.Patience

// site is the servers of one test and the replicas of its front door.
type site struct {
	*pathload.Ledger

	t               *testing.T
	redis, database *testenv.Server
	url             string // of the database
	replicas        []*replica
	// link is the one address of all replicas: each connection goes to the next.
	link *testenv.Link
}

// sitePlan says how a site is made. The zero value: 2 replicas with a grace of 10 s.
type sitePlan struct {
	grace time.Duration
	// replicas default to 2.
	replicas int
	// listen is YAML of what listen has beside its addresses: `users: u.txt, ...`.
	listen string
	// tls is YAML of what every address has beside its host and port.
	tls string
	// silent is silent_after of the sensor route. Default: never.
	silent time.Duration
	// more is YAML at the end of the configuration.
	more string
}

func newSite(t *testing.T, plan sitePlan) *site {
	t.Helper()
	s := &site{t: t, redis: testenv.Redis(t), database: testenv.Postgres(t)}
	s.url = s.database.Database()
	s.Ledger = pathload.OpenLedger(t, s.url, s.redis.URL(), facility)
	s.Once = true
	if plan.grace == 0 {
		plan.grace = 10 * time.Second
	}
	// The path of a socket must be short.
	dir, err := os.MkdirTemp("", "door")
	s.must(err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	var addresses []string
	for i := range cmp.Or(plan.replicas, 2) {
		r := s.newReplica(filepath.Join(dir, fmt.Sprint(i)), plan)
		s.replicas, addresses = append(s.replicas, r), append(addresses, r.address)
	}
	for _, r := range s.replicas {
		r.awaitOpen(1)
	}
	s.link = testenv.Balance(t, addresses...)
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// replica is one batch-router.
type replica struct {
	*process.Process

	t       *testing.T
	address string // of its door
	config  string
	admin   *app.AdminClient
}

// newReplica writes a configuration to dir and starts a replica by it.
func (s *site) newReplica(dir string, plan sitePlan) *replica {
	s.t.Helper()
	s.must(os.MkdirAll(dir, 0o755))
	r := &replica{
		t: s.t, address: testenv.Address(s.t), config: filepath.Join(dir, "sluice.yaml"),
		admin: app.NewAdminClient(filepath.Join(dir, "admin.sock")),
	}
	s.must(os.WriteFile(r.config, []byte(s.text(r.address, plan)), 0o600))
	r.start()
	return r
}

func (s *site) text(address string, plan sitePlan) string {
	silent := ""
	if plan.silent > 0 {
		silent = fmt.Sprintf(", silent_after: %v", plan.silent)
	}
	comma := func(text string) string {
		if text == "" {
			return ""
		}
		return ", " + text
	}
	return fmt.Sprintf(`facility: %s
listen: {addresses: [{address: %q%s}]%s}
queue: {redis: {url: %q}}
store: {postgres: {url: %q}}
routes:
  - {topic: [%q, %q], batch: {max: 200, timeout: 100ms}, sink: sensor%s}
  - {topic: %q, batch: {max: 200, timeout: 100ms}, sink: numbers}
presence: {reconnect_grace: %v}
admin: admin.sock
metrics: {batch_router: off}
%s`, facility, address, comma(plan.tls), comma(plan.listen), s.redis.URL(), s.url,
		pathload.RouteSensor, pathload.RouteSensor+"/{device}", silent, pathload.RouteNumber, plan.grace, plan.more)
}

// msgOpen is in the log of a replica each time it lets devices in.
const msgOpen = "the front door is open"

func (r *replica) start() { r.Process = process.Start(r.t, envReplica, r.config) }

// awaitOpen waits until the process has opened its door n times.
func (r *replica) awaitOpen(n int) {
	r.t.Helper()
	r.AwaitLog(msgOpen, n)
}

// status asks the replica.
func (r *replica) status(t testing.TB) (app.Status, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return r.admin.Status(ctx)
}

// pass waits for d while a fault lasts: the length of the fault is what is tested.
func pass(t testing.TB, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
