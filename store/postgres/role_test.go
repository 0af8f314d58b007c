package postgres

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
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

// privileges are those of the role $1.
const privileges = `
SELECT coalesce(array_agg(privilege || ' ' || object), '{}') FROM (
    SELECT a.privilege_type AS privilege, c.oid::regclass::text AS object, a.grantee FROM pg_class c, aclexplode(c.relacl) a
    UNION ALL
    SELECT a.privilege_type, c.attrelid::regclass || '.' || c.attname, a.grantee FROM pg_attribute c, aclexplode(c.attacl) a
    UNION ALL
    SELECT a.privilege_type, n.nspname, a.grantee FROM pg_namespace n, aclexplode(n.nspacl) a
    UNION ALL
    SELECT a.privilege_type, p.oid::regproc::text, a.grantee FROM pg_proc p, aclexplode(p.proacl) a
) all_of_them WHERE grantee = $1::regrole`

// on returns a privilege on columns of a table.
func on(table, privilege string, columns ...string) (all []string) {
	for _, c := range columns {
		all = append(all, privilege+" "+table+"."+c)
	}
	return all
}

// Whatever was granted before, a role ends with exactly this.
func TestGrantRoles_ExactlyThesePrivileges(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	wants := map[string][]string{
		"sluice_reader": {
			"USAGE data", "SELECT data.broker_restart", "SELECT data.device", "SELECT data.facility", "SELECT data.outage",
			"SELECT data.sensor", "USAGE sluice", "SELECT sluice.dead_letter", "SELECT sluice.entry_counter",
			"SELECT sluice.goose_db_version", "SELECT sluice.route_status",
		},
		"sluice_writer": slices.Concat(
			[]string{
				"USAGE data", "USAGE sluice", "EXECUTE sluice.compare_readings", "SELECT sluice.goose_db_version",
				"SELECT data.facility", "INSERT data.facility.name", "INSERT data.sensor", "INSERT data.broker_restart",
				"DELETE data.device", "INSERT data.device", "SELECT data.device", "UPDATE data.device",
				"INSERT data.outage", "SELECT data.outage",
				"INSERT sluice.entry_counter", "SELECT sluice.entry_counter", "UPDATE sluice.entry_counter.last_id",
				"DELETE sluice.applied_batch", "SELECT sluice.applied_batch", "UPDATE sluice.applied_batch.outcome",
				"DELETE sluice.dead_letter", "SELECT sluice.dead_letter", "UPDATE sluice.dead_letter.id",
				"INSERT sluice.route_status", "SELECT sluice.route_status", "UPDATE sluice.route_status",
			},
			on("data.sensor", "SELECT", "device", "entry_id", "epoch", "facility_id"),
			on("data.outage", "UPDATE", "cause", "flap", "lost_at", "muted", "recovery", "report_ids", "up_at"),
			on("sluice.applied_batch", "INSERT", "facility_id", "id", "outcome"),
			on("sluice.dead_letter", "INSERT", "at", "batch_id", "batch_index", "code", "detail", "device", "facility_id",
				"payload", "reason", "received", "route", "topic"),
		),
	}
	for range 2 {
		if err := GrantRoles(t.Context(), pool); err != nil {
			t.Fatal(err)
		}
		for _, name := range RoleNames() {
			less := cmpopts.SortSlices(func(a, b string) bool { return a < b })
			if diff := cmp.Diff(wants[name], query[[]string](t, pool, privileges, name), less); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", name, diff)
			}
			exec(t, pool, `GRANT ALL ON ALL TABLES IN SCHEMA data, sluice TO `+name)
			exec(t, pool, `GRANT ALL (temp, rh) ON data.sensor TO `+name)
			exec(t, pool, `GRANT CREATE ON SCHEMA data TO `+name)
			exec(t, pool, `GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA sluice TO `+name)
		}
	}
	const attributes = "SELECT bool_or(rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls) FROM pg_roles WHERE rolname = ANY($1)"
	if query[bool](t, pool, attributes, RoleNames()) {
		t.Error("a role can do more than hold privileges")
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
	const remedy = "have an administrator of the cluster run `CREATE ROLE sluice_reader NOLOGIN; CREATE ROLE sluice_writer NOLOGIN`"
	if err == nil || !strings.Contains(err.Error(), remedy) {
		t.Fatalf("got %v, want %q in it", err, remedy)
	}
	exec(t, admin, "CREATE ROLE sluice_reader NOLOGIN; CREATE ROLE sluice_writer NOLOGIN")
	if err := GrantRoles(t.Context(), owner); err != nil {
		t.Errorf("the roles are there: %v", err)
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
