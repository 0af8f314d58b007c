package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"sluice/app"
	"sluice/config"
)

// upFlags are what is given on the command line.
type upFlags struct {
	options    app.UpOptions
	postgres   string // URL
	grpc, http string // addresses
}

func (c *cli) upCommand() *cobra.Command {
	f := &upFlags{}
	cmd := &cobra.Command{
		Use: "up", Short: "Run the whole pipeline in this process, on one file", Args: noArgs,
		Long: "Runs the front door for devices, queue, presence, row store and api in one process. All data are in DIR;\n" +
			"PUBACK means that the message is on disk. It needs no configuration: devices, readers and Prometheus find it on\n" +
			"this machine only. Other machines are let in by listen and api in the configuration, with users and TLS\n" +
			"(`sluice config example` shows every setting; broker and queue are not read).\n\n" +
			"Ctrl-C ends it: what devices have sent is stored before. It may be killed at any time, and started again on\n" +
			"the same data; not twice at once.",
		Example: "  sluice up --demo 20\n  sluice up --data /var/lib/sluice -c sluice.yaml\n  sluice up --postgres postgres://sluice@db/sluice",
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.up(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.options.Dir, "data", app.UpFolder, "keep the data in `DIR`")
	flags.IntVar(&f.options.Demo, "demo", 0, "simulate `N` devices, and a clock that asks them for readings every 2 s")
	flags.StringVar(&f.postgres, "postgres", "", "keep rows in the PostgreSQL at `URL`, not in DIR; its schema is made or brought up to date")
	flags.StringVar(&f.options.Listen, "listen", app.UpListen, "listen for devices on `ADDRESS`")
	flags.StringVar(&f.grpc, "grpc", "", "listen for readers on `ADDRESS` (default 127.0.0.1:3000)")
	flags.StringVar(&f.http, "http", "", "listen for readers over HTTP on `ADDRESS`, or off (default 127.0.0.1:3001)")
	return cmd
}

// maxDemo is how many devices may be simulated.
const maxDemo = 100_000

func (c *cli) up(cmd *cobra.Command, f *upFlags) error {
	o := &f.options
	if o.Demo < 0 || o.Demo > maxDemo {
		return &usageError{fmt.Errorf("--demo %d: use 0 to %d", o.Demo, maxDemo)}
	}
	if o.Dir == "" {
		return &usageError{errors.New("--data: name a folder")}
	}
	o.Postgres = f.postgres != "" || slices.ContainsFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SLUICE_STORE_POSTGRES_URL") })
	o.Out = cmd.OutOrStdout()
	if file, ok := o.Out.(*os.File); ok {
		o.Terminal = term.IsTerminal(int(file.Fd()))
	}
	given := cmd.Flags().Changed("listen")
	sinks := app.DefaultSinks()
	conf, err := config.Load(c.path, f.environment(), app.UpConfig(sinks, *o)...)
	if err != nil {
		return err
	}
	if given && conf.Listen.Addresses[0].Address != o.Listen {
		return &usageError{errors.New("--listen: the configuration has listen.addresses; change it there")}
	}
	return app.NewUp(conf, *o, sinks, cmd.ErrOrStderr()).Run(cmd.Context())
}

// environment is that of the process, with the flags in it: they stand above the file.
func (f *upFlags) environment() []string {
	env := os.Environ()
	for name, value := range map[string]string{"STORE_POSTGRES_URL": f.postgres, "API_GRPC": f.grpc, "API_HTTP": f.http} {
		if value != "" {
			env = append(env, "SLUICE_"+name+"="+value)
		}
	}
	return env
}
