package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"sluice/app"
	"sluice/bench"
	"sluice/config"
)

// benchAPIFlags are what the command line says of a run against the api.
type benchAPIFlags struct {
	config bench.APIConfig
	tls    config.TLSFiles
	pids   []string
}

func (c *cli) benchAPICommand() *cobra.Command {
	var f benchAPIFlags
	cmd := &cobra.Command{
		Use: "api", Short: "Read everything from the api and check each stream (exit 1 if a row is missing)", Args: noArgs,
		Long: "Reads all readings by every method, beside COPY from the database of the configuration, and shows what a\n" +
			"row costs each process. Each stream must be complete, in order and without gaps.",
		Example: "  sluice bench api --pid api=$(pidof api) --pid postgres=$(head -1 /var/lib/postgresql/15/main/postmaster.pid)\n" +
			"  sluice bench api --from 1700000000 --to 1700086400 --readers 20 --slow 15s --stop 60s --json",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.benchAPI(cmd, &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.config.Target, "target", "", "the api's `HOST:PORT` (default: api.grpc of the configuration)")
	flags.StringVar(&f.tls.CA, "ca", "", "use TLS; certificates of the authorities that may have signed the api's")
	flags.StringVar(&f.tls.Cert, "cert", "", "certificate of the client")
	flags.StringVar(&f.tls.Key, "key", "", "its key")
	flags.Int64Var(&f.config.From, "from", 0, "read a time range too: from this Unix time")
	flags.Int64Var(&f.config.To, "to", 0, "and before this one")
	flags.StringSliceVar(&f.config.Devices, "devices", nil, "names of devices, of which the range is read too")
	flags.IntVar(&f.config.Runs, "runs", bench.DefaultRuns, "how often each reading is measured")
	flags.IntVar(&f.config.Readers, "readers", 0, "have so many readers at once, each with up to 1000000 rows")
	flags.DurationVar(&f.config.Slow, "slow", 0, "they read 5000 rows/s each for so long, before full speed")
	flags.DurationVar(&f.config.Stop, "stop", 0, "have two readers stop for so long, and watch another one")
	flags.StringArrayVar(&f.pids, "pid", nil, "measure process PID and its children, as `NAME=PID`; repeatable")
	cmd.MarkFlagsRequiredTogether("cert", "key")
	return cmd
}

func (c *cli) benchAPI(cmd *cobra.Command, f *benchAPIFlags) error {
	run, err := c.aimAPI(f)
	if err != nil {
		return err
	}
	run.Progress, run.Logger = progress(cmd.ErrOrStderr()), app.NewLogger(cmd.ErrOrStderr(), "bench", 0)
	b, err := bench.NewAPI(run)
	if err != nil {
		return &usageError{err}
	}
	result, err := b.Run(cmd.Context())
	if cmd.Context().Err() != nil {
		return errors.New("bench: interrupted")
	}
	if err != nil {
		return err
	}
	if c.json {
		err = c.print(cmd, result, nil)
	} else {
		err = result.WriteTable(cmd.OutOrStdout())
	}
	if err == nil && !result.OK() {
		err = errSaid
	}
	return err
}

// aimAPI adds the servers of the configuration; of the api's own part only the
// address is used, and only without --target.
func (c *cli) aimAPI(f *benchAPIFlags) (run bench.APIConfig, err error) {
	run = f.config
	if run.Runs < 1 {
		return run, &usageError{errors.New("--runs: use 1 or more")}
	}
	if run.Processes, err = parsePIDs(f.pids); err != nil {
		return run, err
	}
	parts := []string{"store"}
	if run.Target == "" {
		parts = append(parts, "api")
	}
	conf, err := c.load(parts...)
	if err != nil {
		return run, err
	}
	if run.Target == "" {
		run.Target = conf.API.GRPC
	}
	run.Database = conf.Store.Postgres.DSN().Reveal()
	if run.TLS, err = f.clientTLS(run.Target); err != nil {
		return run, err
	}
	if run.TLS == nil && conf.API.TLS.Given() {
		return run, &usageError{errors.New("the api has TLS: give --ca, --cert and --key")}
	}
	return run, nil
}

// clientTLS returns nil when no file is given.
func (f *benchAPIFlags) clientTLS(target string) (*tls.Config, error) {
	if f.tls == (config.TLSFiles{}) {
		return nil, nil
	}
	host, _, err := net.SplitHostPort(target)
	if err != nil {
		return nil, &usageError{fmt.Errorf("--target: %w", err)}
	}
	if host == "" {
		host = "localhost"
	}
	return f.tls.Client(host)
}
