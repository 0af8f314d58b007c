package main

import (
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"sluice/config"
	"sluice/store/postgres"
)

func (c *cli) dbCommand() *cobra.Command {
	return group("db", "Prepare the database", c.dbMigrate())
}

func (c *cli) dbMigrate() *cobra.Command {
	return &cobra.Command{
		Use: "migrate", Short: "Bring the database to the schema of this version", Args: noArgs,
		Long: "Creates or updates the schemas data and sluice. It may run at any time and by several at once;\n" +
			"services that need a newer schema refuse to start until it has.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, err := c.load("store")
			if err != nil {
				return err
			}
			from, to, err := postgres.Migrate(cmd.Context(), conf.Store.Postgres.DSN().Reveal())
			if err != nil {
				return err
			}
			return c.print(cmd, map[string]int64{"from": from, "to": to}, func(t *table) {
				if from == to {
					t.row(fmt.Sprintf("the schema is current, version %d", to))
					return
				}
				t.row(fmt.Sprintf("migrated from version %d to %d", from, to))
			})
		},
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
