package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"sluice/app"
	"sluice/config"
	"sluice/store/postgres"
)

func (c *cli) dbCommand() *cobra.Command {
	return group("db", "Prepare the database, or fill it from a file", c.dbMigrate(), c.dbImport())
}

func (c *cli) dbMigrate() *cobra.Command {
	var roles bool
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring the database to the schema of this version", Args: noArgs,
		Long: "Creates or updates the schemas data and sluice. It may run at any time and by several at once;\n" +
			"services that need a newer schema refuse to start until it has.\n\n" +
			"With --roles it then makes the group roles that the cluster lacks, and grants each what it needs of every\n" +
			"table and nothing else:\n\n" +
			"  sluice_writer  batch-router: adds readings, whose values it cannot read, change or remove\n" +
			"  sluice_reader  api, and dead list, show and replay\n\n" +
			"Whoever runs db migrate the first time owns the schemas and runs the rest: db import, dead drop, bench and\n" +
			"up --postgres. Give the groups to logins; deploy/postgres/roles.sql makes all three:\n\n" +
			"  CREATE ROLE router LOGIN PASSWORD '...' IN ROLE sluice_writer;\n" +
			"  CREATE ROLE api LOGIN PASSWORD '...' IN ROLE sluice_reader;",
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, err := c.load("store")
			if err != nil {
				return err
			}
			m, err := migrate(cmd.Context(), conf.Store.Postgres.DSN().Reveal(), roles)
			if err != nil {
				return err
			}
			return c.print(cmd, m, m.fill)
		},
	}
	cmd.Flags().BoolVar(&roles, "roles", false, "make the group roles of the database, too")
	return cmd
}

// migration is what `db migrate` has done.
type migration struct {
	From  int64    `json:"from"`
	To    int64    `json:"to"`
	Roles []string `json:"roles,omitempty"`
}

func migrate(ctx context.Context, url string, roles bool) (m migration, err error) {
	m.From, m.To, err = postgres.Migrate(ctx, url)
	if err != nil || !roles {
		return m, err
	}
	pool, err := postgres.NewPool(ctx, url)
	if err != nil {
		return m, err
	}
	defer pool.Close()
	m.Roles = postgres.RoleNames()
	return m, postgres.GrantRoles(ctx, pool)
}

func (m migration) fill(t *table) {
	if m.From == m.To {
		t.row(fmt.Sprintf("the schema is current, version %d", m.To))
	} else {
		t.row(fmt.Sprintf("migrated from version %d to %d", m.From, m.To))
	}
	for _, role := range m.Roles {
		t.row("the role " + role + " has its privileges")
	}
}

// withPool calls do with a pool of the configured database.
func (c *cli) withPool(cmd *cobra.Command, do func(*pgxpool.Pool, *config.Config) error, keys ...string) error {
	conf, err := c.load(append(keys, "store")...)
	if err != nil {
		return err
	}
	pool, err := postgres.NewPool(cmd.Context(), conf.Store.Postgres.DSN().Reveal())
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := postgres.CheckVersion(cmd.Context(), pool); err != nil {
		return err
	}
	return do(pool, conf)
}

func (c *cli) dbImport() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "import", Short: "Move the rows of a sluice up from its file to the database", Args: noArgs,
		Long: "Copies readings, with their entry ids, and outages from the file in DIR to the database of the\n" +
			"configuration. The process on DIR must have ended; the file stays as it is. It may be interrupted and run\n" +
			"again: it goes on where it was. Then start `sluice up --postgres URL` with the same DIR, which stores what\n" +
			"still waits in its queue. Both are for the owner of the schemas (see db migrate --help).",
		Example: "  SLUICE_STORE_POSTGRES_URL=postgres://sluice@db/sluice sluice db import --data sluice-data",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withPool(cmd, func(pool *pgxpool.Pool, _ *config.Config) error { return c.importFile(cmd, pool, dir) })
		},
	}
	cmd.Flags().StringVar(&dir, "data", app.UpFolder, "the folder of sluice up: `DIR`")
	return cmd
}

func (c *cli) importFile(cmd *cobra.Command, pool *pgxpool.Pool, dir string) error {
	path := filepath.Join(dir, app.UpFile)
	if _, err := os.Stat(path); err != nil { // it would be made
		return &usageError{fmt.Errorf("--data: %w", err)}
	}
	told := func(app.Imported) {}
	if w := progress(cmd.ErrOrStderr()); w != nil {
		told = func(i app.Imported) { fmt.Fprintf(w, "\r%s: %d readings", i.Facility, i.Readings) }
		defer fmt.Fprintln(w)
	}
	all, err := app.Import(cmd.Context(), path, pool, told)
	if err != nil {
		return err
	}
	return c.print(cmd, all, func(t *table) {
		t.row("FACILITY", "READINGS", "WERE THERE", "OUTAGES")
		for _, i := range all {
			t.row(i.Facility, fmt.Sprint(i.Readings), fmt.Sprint(i.Before), fmt.Sprint(i.Outages))
		}
	})
}
