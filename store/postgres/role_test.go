package postgres

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"sluice/internal/testenv"
)

// as returns the URL for another user, whom a test has created.
func as(t testing.TB, address, user string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(user)
	return u.String()
}

const privileges = `
SELECT coalesce(array_agg(privilege || ' ' || object ORDER BY object, privilege), '{}') FROM (
    SELECT a.privilege_type AS privilege, c.oid::regclass::text AS object, a.grantee FROM pg_class c, aclexplode(c.relacl) a
    UNION ALL
    SELECT a.privilege_type, n.nspname, a.grantee FROM pg_namespace n, aclexplode(n.nspacl) a
    UNION ALL
    SELECT a.privilege_type, p.oid::regprocedure::text, a.grantee FROM pg_proc p, aclexplode(p.proacl) a
) all_of_them WHERE grantee = 'sluice_reader'::regrole`

// Whatever was granted before, the role ends with exactly this.
func TestGrantRoles_ReaderHasExactlyThesePrivileges(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	want := []string{
		"USAGE data", "SELECT data.broker_restart", "SELECT data.device", "SELECT data.facility", "SELECT data.outage",
		"SELECT data.sensor", "USAGE sluice", "SELECT sluice.dead_letter", "SELECT sluice.entry_counter",
		"SELECT sluice.goose_db_version", "SELECT sluice.route_status",
	}
	for range 2 {
		if err := GrantRoles(t.Context(), pool); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, query[[]string](t, pool, privileges)); diff != "" {
			t.Fatalf("privileges (-want +got):\n%s", diff)
		}
		exec(t, pool, `GRANT ALL ON ALL TABLES IN SCHEMA data, sluice TO sluice_reader`)
		exec(t, pool, `GRANT CREATE ON SCHEMA data TO sluice_reader`)
		exec(t, pool, `GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA sluice TO sluice_reader`)
	}
	const attributes = "SELECT rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls FROM pg_roles WHERE rolname = 'sluice_reader'"
	if query[bool](t, pool, attributes) {
		t.Error("the role can do more than hold privileges")
	}
}

// Many at once, in three databases of a cluster that lacks the roles.
func TestGrantRoles_AtOnce(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t)
	var g errgroup.Group
	for range 3 {
		pool := migrated(t, db.Database())
		for range 4 {
			g.Go(func() error { return GrantRoles(t.Context(), pool) })
		}
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// The owner of a database who may create no role needs an administrator once.
func TestGrantRoles_WithoutPrivilegeSaysWhatToDo(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t)
	address := db.Database()
	admin := newPool(t, address)
	exec(t, admin, "CREATE ROLE owner LOGIN")
	exec(t, admin, "ALTER DATABASE "+admin.Config().ConnConfig.Database+" OWNER TO owner")
	owner := migrated(t, as(t, address, "owner"))
	err := GrantRoles(t.Context(), owner)
	const remedy = "have an administrator of the cluster run `CREATE ROLE sluice_reader NOLOGIN`"
	if err == nil || !strings.Contains(err.Error(), remedy) {
		t.Fatalf("got %v, want %q in it", err, remedy)
	}
	exec(t, admin, "CREATE ROLE sluice_reader NOLOGIN")
	if err := GrantRoles(t.Context(), owner); err != nil {
		t.Errorf("the role is there: %v", err)
	}
	exec(t, admin, "CREATE ROLE stranger LOGIN")
	err = GrantRoles(t.Context(), newPool(t, as(t, address, "stranger")))
	if err == nil || !strings.Contains(err.Error(), "owner of the schemas") {
		t.Errorf("not the owner: got %v, want it to ask for the owner", err)
	}
}

func TestReadOnly_WritesAreRefusedWhateverTheRoleMayDo(t *testing.T) {
	t.Parallel()
	pool, err := NewPool(t.Context(), testenv.Database(t)+"&default_transaction_read_only=off", ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if _, err := pool.Exec(t.Context(), "CREATE TABLE t (i int)"); sqlState(err) != "25006" {
		t.Errorf("got %v, want read_only_sql_transaction", err)
	}
}
