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
func Main(fs *flag.FlagSet, args []string, run Service, options ...config.Option) int {
	path := fs.String("config", "", "the configuration `file` (default "+config.DefaultPath+", if it exists)")
	version := fs.Bool("version", false, "print the version and exit")
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
	c, err := config.Load(*path, os.Environ(), options...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return ExitConfig
	}
	return runService(fs.Name(), c, os.Stderr, run)
}

func runService(name string, c *config.Config, w io.Writer, run Service) int {
	log := NewLogger(w, name, c.LogLevel())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from now on a second signal has its default effect
	if err := run(ctx, c, log); err != nil && !errors.Is(err, context.Canceled) {
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
