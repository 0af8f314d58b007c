package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// role is a group role: it cannot log in, and a login gets its privileges by
// membership. It has these privileges in the schemas data and sluice and no
// others.
type role struct {
	name   string
	grants []string // "PRIVILEGE, PRIVILEGE (COLUMN, ...) ON OBJECT"
}

// roles are all that GrantRoles makes; a new one is a line here.
var roles = []role{
	{"sluice_reader", []string{ // what the api needs
		"USAGE ON SCHEMA data, sluice",
		"SELECT ON ALL TABLES IN SCHEMA data",
		"SELECT ON sluice.entry_counter, sluice.route_status, sluice.dead_letter, " + versionTable,
	}},
	{"sluice_writer", []string{ // what the batch-router needs
		"USAGE ON SCHEMA data, sluice",
		"SELECT ON " + versionTable,
		"SELECT, INSERT (name) ON data.facility",
		// It adds readings and sees their keys; compare_readings knows the values.
		"SELECT (facility_id, entry_id, device, epoch), INSERT ON data.sensor",
		"EXECUTE ON FUNCTION sluice.compare_readings",
		"SELECT, INSERT, UPDATE (last_id) ON sluice.entry_counter",
		"SELECT, INSERT (id, facility_id, outcome), UPDATE (outcome), DELETE ON sluice.applied_batch",
		// Pruning locks rows, for which UPDATE of any column will do: an id takes no value.
		"SELECT, INSERT (facility_id, batch_id, batch_index, route, device, topic, payload, received, reason, code, detail, at)," +
			" UPDATE (id), DELETE ON sluice.dead_letter",
		"SELECT, INSERT, UPDATE ON sluice.route_status",
		"SELECT, INSERT, UPDATE, DELETE ON data.device",
		// History is completed, never moved or removed.
		"SELECT, INSERT, UPDATE (up_at, lost_at, cause, recovery, muted, flap, report_ids) ON data.outage",
		"INSERT ON data.broker_restart",
	}},
}

// RoleNames returns the names of the roles that GrantRoles makes, sorted.
func RoleNames() (names []string) {
	for _, r := range roles {
		names = append(names, r.name)
	}
	slices.Sort(names)
	return names
}

// GrantRoles makes the group roles that the cluster lacks, and gives each exactly
// its privileges in this database, which must be migrated; run it again after a
// migration. It may run at any time and several times at once, also for several
// databases of one cluster. A session of another sees the privileges of before
// or of after. The error says what to do when the pool's user may not.
func GrantRoles(ctx context.Context, pool *pgxpool.Pool) error {
	if err := createRoles(ctx, pool); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		// Two that grant on one table at once would fail.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(migrateLock)); err != nil {
			return fmt.Errorf("grant: lock: %w", err)
		}
		for _, r := range roles {
			if err := r.grant(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// createRoles makes the roles that the cluster lacks, each by a statement of its
// own: roles belong to the cluster, and no lock of this database keeps another's
// away.
func createRoles(ctx context.Context, pool *pgxpool.Pool) error {
	rows, _ := pool.Query(ctx, "SELECT r FROM unnest($1::text[]) r WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) ORDER BY r", RoleNames())
	missing, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look for roles: %w", err)
	}
	for i, name := range missing {
		_, err := pool.Exec(ctx, definition(name))
		switch code := sqlState(err); {
		case err == nil, code == "42710", code == "23505": // duplicate_object; unique_violation when both made it at once
		case code == "42501": // insufficient_privilege
			return fmt.Errorf("create role %s: %w; have an administrator of the cluster run `%s`, then run `sluice db migrate --roles` again",
				name, err, definition(missing[i:]...))
		default:
			return fmt.Errorf("create role %s: %w", name, err)
		}
	}
	return nil
}

// definition returns the statements that make roles.
func definition(names ...string) string {
	return "CREATE ROLE " + strings.Join(names, " NOLOGIN; CREATE ROLE ") + " NOLOGIN"
}

// grant takes away what an earlier version gave, then gives.
func (r role) grant(ctx context.Context, tx pgx.Tx) error {
	var sql strings.Builder
	for _, all := range []string{"TABLES", "SEQUENCES", "FUNCTIONS"} {
		fmt.Fprintf(&sql, "REVOKE ALL ON ALL %s IN SCHEMA data, sluice FROM %s;", all, r.name)
	}
	fmt.Fprintf(&sql, "REVOKE ALL ON SCHEMA data, sluice FROM %s;", r.name)
	for _, g := range r.grants {
		fmt.Fprintf(&sql, "GRANT %s TO %s;", g, r.name)
	}
	_, err := tx.Exec(ctx, sql.String())
	if sqlState(err) == "42501" {
		return fmt.Errorf("grant to %s: %w; run it as the owner of the schemas data and sluice", r.name, err)
	}
	if err != nil {
		return fmt.Errorf("grant to %s: %w", r.name, err)
	}
	return nil
}

// sqlState returns the SQLSTATE of an error of the database, else "".
func sqlState(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// ReadOnly is a PoolOption: the database refuses every write of the pool's
// sessions, whatever their role may do.
func ReadOnly(c *pgxpool.Config) {
	c.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
}
