package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"sluice/app"
	"sluice/bench"
	"sluice/config"
)

// benchFlags are what the command line says of a run.
type benchFlags struct {
	config   bench.Config
	protocol string
	pids     []string
}

func (c *cli) benchCommand() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use: "bench", Short: "Load the pipeline and check every row (exit 1 if one is missing, doubled or wrong)", Args: noArgs,
		Long: "Publishes readings through the broker of the configuration, or to the first address at which its\n" +
			"batch-router listens, waits until they are rows of its database, and reads every row again.\n" +
			"The rows stay: they belong to the devices bench-*.\n\n" +
			"With --keyless it publishes unique numbers, for a route whose handler is bench.Counter.",
		Example: "  sluice bench --messages 500000 --pid router=$(pidof batch-router) --pid redis=$(pidof redis-server)\n" +
			"  sluice bench --rate 5000 --messages 100000 --json",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.bench(cmd, &f) },
	}
	flags := cmd.Flags()
	flags.IntVar(&f.config.Devices, "devices", bench.DefaultDevices, "connections, each a device of its own")
	flags.IntVar(&f.config.Messages, "messages", bench.DefaultMessages, "messages in all")
	flags.Float64Var(&f.config.Rate, "rate", 0, "messages per second in all; 0 is full speed")
	flags.IntVar(&f.config.Window, "window", bench.DefaultWindow, "messages that a connection may have in flight")
	flags.StringVar(&f.config.Topic, "topic", "", "topic to publish to (default "+bench.DefaultTopic+", or "+bench.DefaultKeylessTopic+" with --keyless)")
	flags.BoolVar(&f.config.OwnTopics, "own-topics", false, "append /DEVICE to the topic")
	flags.BoolVar(&f.config.Keyless, "keyless", false, "publish numbers instead of readings")
	flags.StringVar(&f.config.API, "api", "", "load a process of sluice up, and check the rows by its api at `ADDRESS` (127.0.0.1:3000)")
	flags.StringVar(&f.protocol, "protocol", bench.MQTT5.String(), "version of MQTT: 3.1.1 or 5")
	flags.StringArrayVar(&f.pids, "pid", nil, "measure process PID and its children, as `NAME=PID`; repeatable")
	flags.DurationVar(&f.config.LatencyPoll, "latency", bench.DefaultLatencyPoll, "time between two looks at which rows are visible")
	flags.DurationVar(&f.config.Stall, "timeout", bench.DefaultStall, "give up when nothing moved for so long")
	cmd.AddCommand(c.benchAPICommand())
	return cmd
}

func (c *cli) bench(cmd *cobra.Command, f *benchFlags) error {
	run, err := f.parse()
	if err != nil {
		return err
	}
	conf, err := c.benchConfig(run)
	if err != nil {
		return err
	}
	if err := aim(&run, conf, cmd.ErrOrStderr()); err != nil {
		return err
	}
	b, err := bench.New(run)
	if err != nil {
		return &usageError{err}
	}
	result, err := b.Run(cmd.Context())
	if cmd.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return errors.New("bench: interrupted; what was published stays")
	}
	if err != nil {
		return err
	}
	if err := c.printResult(cmd, result); err != nil {
		return err
	}
	if !result.OK() {
		return errSaid
	}
	return nil
}

// benchConfig reads where the load goes and where the rows are. A `sluice up` has
// defaults of its own.
func (c *cli) benchConfig(run bench.Config) (*config.Config, error) {
	if run.API == "" {
		return c.load("facility", "broker", "store")
	}
	conf, err := config.Load(c.path, os.Environ(), app.UpConfig(app.DefaultSinks(), app.UpOptions{Listen: app.UpListen})...)
	if err == nil {
		conf.Broker.URL = config.DoorURL(conf.Listen.Addresses[0].Address, conf.Listen.Addresses[0].TLS.Given())
	}
	return conf, err
}

func (c *cli) printResult(cmd *cobra.Command, r *bench.Result) error {
	if c.json {
		return c.print(cmd, r, nil)
	}
	return r.WriteTable(cmd.OutOrStdout())
}

// parse reads what bench itself cannot: the words of the flags, and zeros, which
// it would take for its defaults.
func (f *benchFlags) parse() (run bench.Config, err error) {
	run = f.config
	if err := checkPositive(run); err != nil {
		return run, err
	}
	if run.Protocol, err = parseProtocol(f.protocol); err != nil {
		return run, err
	}
	run.Processes, err = parsePIDs(f.pids)
	return run, err
}

// aim adds the servers of the configuration, and where progress goes.
func aim(run *bench.Config, conf *config.Config, stderr io.Writer) (err error) {
	if run.TLS, err = conf.Broker.TLS(); err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	run.Address = conf.Broker.Address()
	run.User, run.Password = conf.Broker.User, conf.Broker.Password.Reveal()
	run.Facility = conf.Facility
	if run.API == "" {
		run.Database = conf.Store.Postgres.DSN().Reveal()
	}
	run.Progress = progress(stderr)
	run.Logger = app.NewLogger(stderr, "bench", conf.LogLevel())
	return nil
}

// progress returns stderr if it is a terminal, else nil.
func progress(stderr io.Writer) io.Writer {
	if file, ok := stderr.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return file
	}
	return nil
}

// checkPositive refuses the zeros that bench would take for its defaults.
func checkPositive(run bench.Config) error {
	for _, flag := range []struct {
		name string
		bad  bool
		want string
	}{
		{"devices", run.Devices < 1, "1 or more"},
		{"messages", run.Messages < 1, "1 or more"},
		{"window", run.Window < 1, "1 or more"},
		{"latency", run.LatencyPoll < time.Millisecond, "1ms or more"},
		{"timeout", run.Stall < time.Second, "1s or more"},
	} {
		if flag.bad {
			return &usageError{fmt.Errorf("--%s: use %s", flag.name, flag.want)}
		}
	}
	return nil
}

func parseProtocol(s string) (bench.Protocol, error) {
	for _, p := range []bench.Protocol{bench.MQTT311, bench.MQTT5} {
		if s == p.String() {
			return p, nil
		}
	}
	return 0, &usageError{fmt.Errorf("--protocol %q: use 3.1.1 or 5", s)}
}

// parsePIDs reads NAME=PID words. Processes of one name are measured together.
func parsePIDs(words []string) ([]bench.Process, error) {
	var processes []bench.Process
	for _, word := range words {
		name, number, _ := strings.Cut(word, "=")
		pid, err := strconv.Atoi(number)
		if name == "" || err != nil || pid < 1 {
			return nil, &usageError{fmt.Errorf("--pid %q: write NAME=PID, such as redis=4711", word)}
		}
		if _, err := bench.ProcCPU(pid); err != nil {
			return nil, &usageError{fmt.Errorf("--pid %s: %w", word, err)}
		}
		i := slices.IndexFunc(processes, func(p bench.Process) bool { return p.Name == name })
		if i < 0 {
			i = len(processes)
			processes = append(processes, bench.Process{Name: name})
		}
		processes[i].PIDs = append(processes[i].PIDs, pid)
	}
	return processes, nil
}
