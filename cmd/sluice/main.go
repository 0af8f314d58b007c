// Sluice is the operator's command: it checks the configuration, prepares the
// database, talks to running routers and measures the pipeline.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
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
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var faults *config.Faults
	switch {
	case err == nil:
		return app.ExitOK
	case errors.Is(err, errSaid):
		return app.ExitFailed
	case errors.As(err, &faults):
		fmt.Fprintln(stderr, faults)
		return app.ExitConfig
	}
	fmt.Fprintln(stderr, "sluice:", err)
	var usage *usageError
	if errors.As(err, &usage) {
		return app.ExitUsage
	}
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

func newRoot() *cobra.Command {
	c := &cli{}
	root := &cobra.Command{
		Use:           "sluice",
		Short:         "Operate an IoT pipeline that loses no reading",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.PersistentFlags().StringVarP(&c.path, "config", "c", "", "configuration file (default "+config.DefaultPath+", if it exists)")
	root.PersistentFlags().BoolVar(&c.json, "json", false, "print JSON")
	root.AddCommand(c.configCommand(), c.dbCommand(), c.routeCommand(), c.accountCommand(),
		c.statusCommand(), c.deadCommand(), c.benchCommand(), c.versionCommand())
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

// noArgs and someArgs refuse with the exit status of a usage mistake.
func noArgs(cmd *cobra.Command, args []string) error { return wrapUsage(cobra.NoArgs(cmd, args)) }

func someArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error { return wrapUsage(cobra.ExactArgs(n)(cmd, args)) }
}

func wrapUsage(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err}
}

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.print(cmd, map[string]string{"version": app.Version()}, func(t *table) { t.row(app.Version()) })
		},
	}
}
