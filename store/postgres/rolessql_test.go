package postgres

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
)

// One cluster for all, one after the other.
func TestRolesSQL(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	for _, tc := range []struct {
		name string
		test func(*testing.T, *installation)
	}{
		{"MakesTheseRights", makesTheseRights},
		{"LoginsMayDoNothingElse", mayDoNothingElse},
		{"EmptyPasswordIsRefused", emptyPasswordIsRefused},
		{"AgainChangesPasswordsAndNothingElse", againChangesPasswords},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.test(t, in) })
	}
}

// nobodys are statements that no login of ours may run.
var nobodys = []string{
	"SELECT rolpassword FROM pg_authid",
	"COPY (SELECT 1) TO PROGRAM 'true'",
	"COPY (SELECT 1) TO '/tmp/x'",
	"SELECT pg_read_file('/etc/passwd')",
	"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
	"CREATE ROLE r",
	"CREATE DATABASE d",
	"ALTER ROLE CURRENT_USER SUPERUSER",
	"ALTER SYSTEM SET fsync = off",
	"SET ROLE postgres",
	"SET log_statement = 'all'",
	"CREATE EXTENSION dblink",
}

// owners are statements that only the owner of the database may run.
var owners = []string{
	"CREATE TABLE data.t (i int)",
	"CREATE TABLE sluice.t (i int)",
	"CREATE TABLE public.t (i int)",
	"CREATE TEMP TABLE t (i int)",
	"CREATE SCHEMA s",
	"DROP TABLE data.sensor",
	"DROP DATABASE sluice",
	"ALTER TABLE data.sensor ADD i int",
	"CREATE OR REPLACE FUNCTION sluice.compare_readings(int, text[], bigint[], real[], real[]) RETURNS smallint[] LANGUAGE sql AS 'SELECT NULL'",
	"CREATE TRIGGER t BEFORE INSERT ON data.sensor EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
	"ALTER TABLE data.sensor OWNER TO CURRENT_USER",
	"GRANT sluice_reader TO router",
	"INSERT INTO sluice.goose_db_version (version_id, is_applied) VALUES (999, true)",
	"SET ROLE migrator",
}

// routers are statements that a router has no need of.
var routers = []string{
	"SELECT temp FROM data.sensor",
	"SELECT rh FROM data.sensor",
	"SELECT * FROM data.sensor",
	"SELECT count(*) FROM data.sensor WHERE temp > 0",
	"SELECT s FROM data.sensor s",
	"COPY data.sensor TO STDOUT",
	"INSERT INTO data.sensor VALUES (1, 1, 'd', 1, 1, 1) RETURNING temp",
	"INSERT INTO data.sensor VALUES (1, 1, 'd', 1, 1, 1) ON CONFLICT (facility_id, entry_id) DO UPDATE SET temp = 0",
	"UPDATE data.sensor SET temp = 0",
	"DELETE FROM data.sensor",
	"TRUNCATE data.sensor",
	"SELECT FROM data.sensor FOR UPDATE",
	"DO 'BEGIN LOCK data.sensor IN EXCLUSIVE MODE; END'",
	"INSERT INTO data.facility (facility_id, name) OVERRIDING SYSTEM VALUE VALUES (7, 'x')",
	"UPDATE data.facility SET name = 'x'",
	"DELETE FROM data.facility",
	"DELETE FROM data.outage",
	"TRUNCATE data.outage",
	"UPDATE data.outage SET down_at = now()",
	"UPDATE data.outage SET device = 'x'",
	"SELECT FROM data.broker_restart",
	"UPDATE data.broker_restart SET at = now()",
	"DELETE FROM data.broker_restart",
	"DELETE FROM sluice.entry_counter",
	"UPDATE sluice.entry_counter SET facility_id = 7",
	"UPDATE sluice.applied_batch SET id = gen_random_uuid()",
	"UPDATE sluice.applied_batch SET applied_at = now()",
	"UPDATE sluice.dead_letter SET payload = ''",
	"UPDATE sluice.dead_letter SET stored_at = now()",
	"DELETE FROM sluice.route_status",
	"TRUNCATE sluice.dead_letter",
}

// everyWrite returns statements that change the tables of the database.
const everyWrite = `
SELECT array_agg(statement) FROM pg_class c, LATERAL (VALUES
    (format('INSERT INTO %s DEFAULT VALUES', c.oid::regclass)),
    (format('UPDATE %s SET %I = DEFAULT', c.oid::regclass, (SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum = 1))),
    (format('DELETE FROM %s', c.oid::regclass)),
    (format('TRUNCATE %s', c.oid::regclass)),
    (format('SELECT FROM %s FOR UPDATE', c.oid::regclass))
) AS s (statement) WHERE c.relkind = 'r' AND c.relnamespace IN ('data'::regnamespace, 'sluice'::regnamespace)`

func mayDoNothingElse(t *testing.T, in *installation) {
	pool := func(login string) *pgxpool.Pool {
		// Sessions of api are read-only, which would be the answer to every write.
		return newPool(t, in.url(t, login, "sluice")+"&default_transaction_read_only=off")
	}
	migrator, router, api := pool("migrator"), pool("router"), pool("api")
	exec(t, migrator, "INSERT INTO data.sensor VALUES (1, 1, 'd', 1, 1, 1)")
	writes := query[[]string](t, migrator, everyWrite)
	if len(writes) < 10*5 {
		t.Errorf("got %d statements that write, want 5 for each table", len(writes))
	}
	for _, tc := range []struct {
		pool   *pgxpool.Pool
		refuse []string
	}{
		{migrator, nobodys},
		{router, nobodys},
		{router, owners},
		{router, routers},
		{api, nobodys},
		{api, owners},
		{api, writes},
		{api, []string{"SELECT FROM sluice.applied_batch", "SELECT sluice.compare_readings(1, '{}', '{}', '{}', '{}')", "SET ROLE router"}},
	} {
		for _, sql := range tc.refuse {
			if _, err := tc.pool.Exec(t.Context(), sql); sqlState(err) != "42501" {
				t.Errorf("%s: %s: got %v, want insufficient_privilege", tc.pool.Config().ConnConfig.User, sql, err)
			}
		}
	}
	for _, p := range []*pgxpool.Pool{router, api} {
		if err := CheckVersion(t.Context(), p); err != nil {
			t.Error(err)
		}
	}
	exec(t, router, "SELECT facility_id, entry_id, device, epoch FROM data.sensor")
	exec(t, api, "SELECT * FROM data.sensor")
	_, err := newPool(t, in.url(t, "api", "sluice")).Exec(t.Context(), "CREATE TABLE data.t (i int)")
	if sqlState(err) != "25006" {
		t.Errorf("api, as its sessions begin: got %v, want read_only_sql_transaction", err)
	}
}

// rights are what roles.sql gives, and what an operator may add to it.
const rights = `SELECT string_agg(line, E'\n' ORDER BY line COLLATE "C") FROM (
    SELECT concat_ws(' ', rolname, CASE WHEN rolcanlogin THEN 'logs in' END, CASE WHEN rolsuper OR rolcreaterole OR rolcreatedb
        OR rolreplication OR rolbypassrls OR NOT rolinherit THEN 'is more' END, rolvaliduntil::text, 'connections', rolconnlimit) FROM pg_roles
    UNION ALL SELECT concat_ws(' ', member::regrole, 'in', roleid::regrole, CASE WHEN admin_option THEN 'admin' END) FROM pg_auth_members
    UNION ALL SELECT concat_ws(' ', setrole::regrole, 'begins with', setconfig) FROM pg_db_role_setting
    UNION ALL SELECT concat_ws(' ', datname, 'of', datdba::regrole, datacl) FROM pg_database WHERE datname = 'sluice'
    UNION ALL SELECT concat_ws(' ', nspname, nspacl) FROM pg_namespace WHERE nspname = 'public'
) AS all_of_them (line) WHERE line !~ '^(postgres|pg_)'`

func makesTheseRights(t *testing.T, in *installation) {
	admin := newPool(t, in.url(t, "postgres", "sluice"))
	want := strings.Join([]string{
		"api begins with {default_transaction_read_only=on,statement_timeout=2min}",
		"api in sluice_reader",
		"api logs in connections -1",
		"migrator logs in connections -1",
		"public {pg_database_owner=UC/pg_database_owner,=U/pg_database_owner}",
		"router in sluice_writer",
		"router logs in connections -1",
		"sluice of migrator {migrator=CTc/migrator,router=c/migrator,api=c/migrator}",
		"sluice_reader connections -1",
		"sluice_writer connections -1",
	}, "\n")
	if diff := cmp.Diff(want, query[string](t, admin, rights)); diff != "" {
		t.Errorf("rights (-want +got):\n%s", diff)
	}
	const hashed = "SELECT count(*) FROM pg_authid WHERE rolname = ANY($1) AND rolpassword LIKE 'SCRAM-SHA-256$%'"
	if n := query[int](t, admin, hashed, logins); n != len(logins) {
		t.Errorf("%d passwords are kept as SCRAM-SHA-256, want %d", n, len(logins))
	}
	exec(t, admin, "CREATE ROLE stranger LOGIN PASSWORD 'x'")
	if err := in.ping(t, "stranger", "x"); sqlState(err) != "42501" {
		t.Errorf("another login: got %v, want that it may not connect", err)
	}
}

// What an operator has changed since stays.
func againChangesPasswords(t *testing.T, in *installation) {
	admin := newPool(t, in.url(t, "postgres", "sluice"))
	exec(t, admin, "ALTER ROLE api SET statement_timeout = '7s'; ALTER ROLE api RESET default_transaction_read_only")
	exec(t, admin, "ALTER ROLE router CONNECTION LIMIT 30")
	exec(t, admin, "CREATE ROLE grafana LOGIN IN ROLE sluice_reader; GRANT CONNECT ON DATABASE sluice TO grafana")
	before := query[string](t, admin, rights)
	fresh := func(login string) string {
		if login == "router" {
			return "fresh"
		}
		return password(login)
	}
	if err := in.runRoles(t, fresh); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, query[string](t, admin, rights)); diff != "" {
		t.Errorf("rights (-before +after):\n%s", diff)
	}
	if err := in.ping(t, "router", password("router")); sqlState(err) != "28P01" {
		t.Errorf("old password: got %v, want it refused", err)
	}
	for _, login := range logins {
		if err := in.ping(t, login, fresh(login)); err != nil {
			t.Errorf("%s: %v", login, err)
		}
	}
}

// All or nothing: a run that fails leaves the passwords as they were.
func emptyPasswordIsRefused(t *testing.T, in *installation) {
	err := in.runRoles(t, func(login string) string {
		if login == "api" {
			return ""
		}
		return "fresh"
	})
	if err == nil || !strings.Contains(err.Error(), "one of the passwords is empty") {
		t.Errorf("got %v, want it refused", err)
	}
	for _, login := range logins {
		if err := in.ping(t, login, password(login)); err != nil {
			t.Errorf("%s: %v", login, err)
		}
	}
}
