// Sluice is the operator's command: it runs the whole pipeline in one process, checks
// the configuration, prepares the database, talks to running routers and measures the
// pipeline.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"sluice/app"
	"sluice/config"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its surroundings as arguments.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process
	c := &cli{}
	root := c.newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return c.exit(root.ExecuteContext(ctx), stdout, stderr)
}

// exit tells what went wrong, unless the command has, and returns the exit
// status for it.
func (c *cli) exit(err error, stdout, stderr io.Writer) int {
	var faults *config.Faults
	var usage *usageError
	switch {
	case err == nil:
		return app.ExitOK
	case errors.Is(err, errSaid):
		return app.ExitFailed
	case errors.As(err, &faults):
		if !c.json || writeJSON(stdout, faults) != nil {
			fmt.Fprintln(stderr, faults)
		}
		return app.ExitConfig
	case errors.As(err, &usage):
		fmt.Fprintln(stderr, "sluice:", err)
		return app.ExitUsage
	}
	fmt.Fprintln(stderr, "sluice:", err)
	return app.ExitFailed
}

// errSaid is returned by a command that has already printed what is wrong.
var errSaid = errors.New("failed")

// usageError is a mistake in the words of the command line.
type usageError struct{ error }

// cli is what the commands share.
type cli struct {
	path string // of the configuration
	json bool
}

func (c *cli) newRoot() *cobra.Command {
	root := group("sluice", "Operate an IoT pipeline that loses no reading")
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.PersistentFlags().StringVarP(&c.path, "config", "c", "", "configuration file (default "+config.DefaultPath+", if it exists)")
	root.PersistentFlags().BoolVar(&c.json, "json", false, "print JSON")
	root.AddCommand(c.upCommand(), c.configCommand(), c.dbCommand(), c.routeCommand(), c.accountCommand(),
		c.statusCommand(), c.deadCommand(), c.deviceCommand(), c.notifyCommand(), c.benchCommand(), c.certsCommand(), c.usersCommand(), c.versionCommand())
	return root
}

// load reads the parts of the configuration that a command uses.
func (c *cli) load(keys ...string) (*config.Config, error) {
	var options []config.Option
	if len(keys) > 0 {
		options = append(options, config.Only(keys...))
	}
	return config.Load(c.path, os.Environ(), options...)
}

// group returns a command that only holds others. By itself it prints its help;
// a word that is none of its commands is a usage mistake.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, SuggestionsMinimumDistance: 2,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			text := fmt.Sprintf("unknown command %q of `%s`; ", args[0], cmd.CommandPath())
			if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
				text += fmt.Sprintf("did you mean %s?", strings.Join(like, " or "))
			} else {
				text += fmt.Sprintf("`%s --help` lists them", cmd.CommandPath())
			}
			return &usageError{errors.New(text)}
		},
	}
	cmd.AddCommand(commands...)
	return cmd
}

// noArgs and someArgs refuse with the exit status of a usage mistake.
func noArgs(cmd *cobra.Command, args []string) error { return someArgs(0)(cmd, args) }

func someArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return &usageError{fmt.Errorf("got %d arguments; write %s", len(args), cmd.UseLine())}
	}
}

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.print(cmd, map[string]string{"version": app.Version()}, func(t *table) { t.row(app.Version()) })
		},
	}
}
