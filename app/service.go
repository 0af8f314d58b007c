package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"sluice/config"
)

// Exit statuses of the services.
const (
	ExitOK     = 0
	ExitFailed = 1
	ExitUsage  = 2
	ExitConfig = config.ExitStatus // the configuration has faults
)

// Service is what a main runs: it works until ctx ends.
type Service func(ctx context.Context, c *config.Config, log *slog.Logger) error

// Main is the body of a service's main: it reads the flags and the
// configuration, runs the service until SIGINT or SIGTERM, and returns the exit
// status. A second signal ends the process at once. Flags of the service itself
// are defined on fs before the call.
//
// With -healthcheck it runs nothing: it asks the process that runs on this machine with
// the same configuration, at its /readyz, and returns 0 if that is ready and 1 if not,
// within 3 s. It reads metrics of the configuration, and no secret.
//
// If systemd has started the process with Type=notify, it is told when the service is
// ready, that it lives, and when it ends. The health pages are asked for it: with
// metrics off the service is ready when it starts, and lives while it runs.
func Main(fs *flag.FlagSet, args []string, run Service, options ...config.Option) int {
	path := fs.String("config", "", "the configuration `file` (default "+config.DefaultPath+", if it exists)")
	version := fs.Bool("version", false, "print the version and exit")
	health := fs.Bool("healthcheck", false, "ask the running service whether it is ready, and exit with 0 if it is, 1 if not")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return ExitOK
	case err != nil:
		return ExitUsage
	case fs.NArg() > 0:
		fmt.Fprintf(fs.Output(), "%s takes no arguments, got %q; see -help\n", fs.Name(), fs.Arg(0))
		return ExitUsage
	case *version:
		fmt.Fprintln(os.Stdout, fs.Name(), Version())
		return ExitOK
	}
	if *health {
		options = append(slices.Clip(options), config.Only("metrics"))
	}
	c, err := config.Load(*path, os.Environ(), options...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return ExitConfig
	}
	pages := newPages(fs.Name(), c.Metrics)
	if *health {
		return healthcheck(fs.Name(), pages, os.Stdout, os.Stderr)
	}
	return runService(fs.Name(), c, pages, os.Stderr, run)
}

func runService(name string, c *config.Config, p *pages, w io.Writer, run Service) int {
	log := NewLogger(w, name, c.LogLevel())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from now on a second signal has its default effect
	err := supervised(ctx, p.vitals(), log, func(ctx context.Context) error { return run(ctx, c, log) })
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Error("ended", "err", err)
		return ExitFailed
	}
	return ExitOK
}

// Version is the module version or the commit that the binary was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "devel"
}
