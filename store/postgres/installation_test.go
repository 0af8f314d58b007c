package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	osexec "os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/deploy"
	"sluice/internal/testenv"
)

// logins are those that deploy/postgres/roles.sql makes.
var logins = []string{"migrator", "router", "api"}

// password is the one of a login.
func password(login string) string { return login + `'s "pass\word"; --` }

// installation is a cluster as an operator has it, with Sluice in the database
// "sluice": roles.sql has made the logins, which must give their passwords, and
// migrator the schema. Each was done twice.
type installation struct {
	server *testenv.Server
	admin  *pgxpool.Pool // of the superuser, in another database
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	server := testenv.Postgres(t)
	in := &installation{server, newPool(t, server.URL())}
	exec(t, in.admin, "CREATE DATABASE sluice")
	for range 2 {
		if err := in.runRoles(t, password); err != nil {
			t.Fatal(err)
		}
	}
	in.askForPasswords(t)
	for range 2 {
		in.migrate(t)
	}
	return in
}

// runRoles runs roles.sql as the superuser; passwords gives each login its own.
func (in *installation) runRoles(t *testing.T, passwords func(login string) string) error {
	t.Helper()
	psql := osexec.CommandContext(t.Context(), "psql", "-X", "-q", "-d", in.url(t, "postgres", "sluice"), "-f", "-")
	for _, login := range logins {
		psql.Args = append(psql.Args, "-v", login+"_password="+passwords(login))
	}
	psql.Stdin = strings.NewReader(deploy.Roles())
	out, err := psql.CombinedOutput()
	if err != nil {
		return fmt.Errorf("psql: %w: %s", err, out)
	}
	if len(out) > 0 {
		return fmt.Errorf("psql said %s", out)
	}
	return nil
}

// askForPasswords has the server trust nobody but the superuser, and returns when it
// does.
func (in *installation) askForPasswords(t *testing.T) {
	t.Helper()
	file := query[string](t, in.admin, "SELECT current_setting('hba_file')")
	exec(t, in.admin, `COPY (VALUES ('host all postgres 127.0.0.1/32 trust'), ('host all all 127.0.0.1/32 scram-sha-256')) TO '`+file+`'`)
	exec(t, in.admin, "SELECT pg_reload_conf()")
	testenv.Eventually(t, 20*time.Second, func() error {
		err := in.ping(t, "router", "wrong")
		if sqlState(err) != "28P01" {
			return fmt.Errorf("with a wrong password: %w", errors.Join(errors.New("not refused"), err))
		}
		return nil
	})
}

// migrate is `sluice db migrate --roles` of migrator.
func (in *installation) migrate(t *testing.T) {
	t.Helper()
	address := in.url(t, "migrator", "sluice")
	if _, _, err := Migrate(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	pool, err := NewPool(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close() // not at the end of the test: nobody may be in a database that is copied
	if err := GrantRoles(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
}

// copied returns the name of a database of migrator with all that "sluice" has. It is
// dropped when the test ends: the server would write it all to disk when it stops.
func (in *installation) copied(t testing.TB) string {
	t.Helper()
	name := "t" + strings.ToLower(rand.Text())
	exec(t, in.admin, "CREATE DATABASE "+name+" OWNER migrator TEMPLATE sluice")
	t.Cleanup(func() {
		if _, err := in.admin.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return name
}

// url is that of a database for a login.
func (in *installation) url(t testing.TB, login, database string) string {
	t.Helper()
	u, err := url.Parse(in.server.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.Path, u.User = "/"+database, url.UserPassword(login, password(login))
	return u.String()
}

// ping logs in to "sluice" with a password.
func (in *installation) ping(t testing.TB, login, word string) error {
	t.Helper()
	u, err := url.Parse(in.url(t, login, "sluice"))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(login, word)
	pool, err := NewPool(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	return pool.Ping(t.Context())
}
