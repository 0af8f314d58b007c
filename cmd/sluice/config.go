package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"sluice/app"
	"sluice/config"
)

func (c *cli) configCommand() *cobra.Command {
	return group("config", "Check, show or begin a configuration", c.configCheck(), c.configShow(), c.configExample())
}

func (c *cli) configCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Report every fault of the configuration at once (exit 78 if there is one)", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := config.Load(c.path, os.Environ(), config.Sinks(app.DefaultSinks().Names()...))
			if err != nil {
				return err
			}
			return c.print(cmd, map[string]bool{"ok": true}, func(t *table) { t.row("the configuration is good") })
		},
	}
}

func (c *cli) configShow() *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Print the effective configuration: file, environment and defaults; secrets redacted", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, err := c.load()
			if err != nil {
				return err
			}
			return conf.Show(cmd.OutOrStdout())
		},
	}
}

func (c *cli) configExample() *cobra.Command {
	return &cobra.Command{
		Use: "example", Short: "Print a commented configuration to begin with", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), config.Example())
			return err
		},
	}
}
