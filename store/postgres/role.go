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
	grants []string // "PRIVILEGE ON OBJECT"
}

// roles are all that GrantRoles makes; a new one is a line here.
var roles = []role{
	{"sluice_reader", []string{ // what the api needs
		"USAGE ON SCHEMA data, sluice",
		"SELECT ON ALL TABLES IN SCHEMA data",
		"SELECT ON sluice.entry_counter, sluice.route_status, sluice.dead_letter, " + versionTable,
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
	for _, r := range roles {
		if err := r.create(ctx, pool); err != nil {
			return err
		}
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

// create is a statement of its own: roles belong to the cluster, and no lock of
// this database keeps another's away.
func (r role) create(ctx context.Context, pool *pgxpool.Pool) error {
	var exists bool
	err := pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", r.name).Scan(&exists)
	if err == nil && !exists {
		_, err = pool.Exec(ctx, r.definition())
	}
	switch code := sqlState(err); {
	case err == nil, code == "42710", code == "23505": // duplicate_object; unique_violation when both made it at once
		return nil
	case code == "42501": // insufficient_privilege
		return fmt.Errorf("create role %s: %w; have an administrator of the cluster run `%s`, then run `sluice db migrate --roles` again",
			r.name, err, r.definition())
	}
	return fmt.Errorf("create role %s: %w", r.name, err)
}

func (r role) definition() string { return "CREATE ROLE " + r.name + " NOLOGIN" }

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
