package pythontest

import (
	_ "embed"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/internal/testenv"
	"sluice/store/postgres"
)

//go:embed testdata/world.sql
var worldSQL string

// world is what a module of tests runs with: a database with something of
// everything, and an api without and one with TLS on it.
type world struct {
	database   *testenv.Server
	pool       *pgxpool.Pool
	plain, tls *service
	certs      string // folder
	control    string // host:port
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{database: testenv.Postgres(t), certs: t.TempDir()}
	url := w.database.Database()
	w.pool = fill(t, url)
	issueAll(t, w.certs)
	w.plain = startAPI(t, url, "")
	w.tls = startAPI(t, url, fmt.Sprintf(`
  tls: {cert: %[1]s/server.crt, key: %[1]s/server.key, client_ca: %[1]s/ca.crt}
  clients:
    - {name: analyst, facilities: [plant-1]}
    - {name: boss, facilities: [plant-1, plant-2]}`, w.certs))
	w.control = serveControl(t, w)
	return w
}

// fill returns a pool on the database, which it makes and fills.
func fill(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	_, _, err := postgres.Migrate(t.Context(), url)
	must(t, err)
	pool, err := postgres.NewPool(t.Context(), url)
	must(t, err)
	t.Cleanup(pool.Close)
	for _, name := range []string{"plant-1", "plant-2"} {
		_, err := postgres.Facility(t.Context(), pool, name)
		must(t, err)
	}
	_, err = pool.Exec(t.Context(), worldSQL)
	must(t, err)
	return pool
}

// env says where everything is, in the words of python/tests/world.py.
func (w *world) env() []string {
	return []string{
		"SLUICE_TEST_PLAIN=" + w.plain.address, "SLUICE_TEST_TLS=" + w.tls.address,
		"SLUICE_TEST_CERTS=" + w.certs, "SLUICE_TEST_CONTROL=" + w.control,
	}
}

// issueAll writes the certificates of the server and of clients.
func issueAll(t testing.TB, dir string) {
	t.Helper()
	ours, foreign := newAuthority(t), newAuthority(t)
	ours.write(t, dir, "ca")
	foreign.write(t, dir, "foreign-ca")
	soon, past := time.Now().Add(time.Hour), time.Now().Add(-time.Minute)
	ours.issue(t, dir, "server", soon, "")
	ours.issue(t, dir, "analyst", soon, "sluice://client/analyst")
	ours.issue(t, dir, "boss", soon, "sluice://client/boss")
	ours.issue(t, dir, "stranger", soon, "sluice://client/stranger")
	ours.issue(t, dir, "device", soon, "sluice://device/analyst")
	ours.issue(t, dir, "expired", past, "sluice://client/boss")
	foreign.issue(t, dir, "foreign", soon, "sluice://client/boss")
}
