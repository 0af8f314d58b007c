// Package benchenv is what the programs that measure the services share: a folder,
// the services as processes of their own, and an end in order.
package benchenv

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// RunUntilSignal calls run, whose ctx ends with SIGINT or SIGTERM. A second signal
// ends the process.
func RunUntilSignal(run func(context.Context) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return run(ctx)
}

// Folder returns where the servers keep their data, and what removes it: dir,
// which stays, or a temporary one if it is "". PostgreSQL's user must be able to
// pass through.
func Folder(dir string) (string, func(), error) {
	if dir != "" {
		return dir, func() {}, nil
	}
	dir, err := os.MkdirTemp("", "sluice-bench-")
	if err != nil {
		return "", nil, err
	}
	return dir, func() { _ = os.RemoveAll(dir) }, os.Chmod(dir, 0o755)
}

// Terminal returns standard error if it is a terminal, else nil.
func Terminal() io.Writer {
	if term.IsTerminal(int(os.Stderr.Fd())) {
		return os.Stderr
	}
	return nil
}

// Result is what a measurement returns.
type Result interface {
	WriteTable(w io.Writer) error
}

// Print writes r to standard output.
func Print(r Result, asJSON bool) error {
	if !asJSON {
		return r.WriteTable(os.Stdout)
	}
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// FreeAddress is an address of this machine that nobody listens on now.
func FreeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
