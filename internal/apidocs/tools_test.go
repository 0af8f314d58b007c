package apidocs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const top = "../.."

// grpcurl returns the path of the tool, built at the first call of this process.
var grpcurl = sync.OnceValues(func() (string, error) {
	return output("go", "tool", "-n", "-modfile=tools/grpcurl/go.mod", "grpcurl")
})

// python returns the path of an interpreter that has what the client imports.
var python = sync.OnceValues(func() (string, error) { return output("scripts/python.sh") })

// output returns what a command prints, run in the repository's root.
func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = top
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("%s: %w: %s", name, err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

// shell runs blocks as a reader of the docs would, in a folder of certificates.
type shell struct {
	dir string
	env []string
}

// newShell returns a shell that has grpcurl, python3 and sluice-rows.
func newShell(t testing.TB, dir string) *shell {
	t.Helper()
	tool, err := grpcurl()
	must(t, err)
	interpreter, err := python()
	must(t, err)
	client, err := filepath.Abs(filepath.Join(top, "python"))
	must(t, err)
	bin := t.TempDir()
	command(t, bin, "grpcurl", tool)
	command(t, bin, "python3", interpreter)
	command(t, bin, "sluice-rows", interpreter+" -m sluice_client")
	return &shell{dir, append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "PYTHONPATH="+client, "PYTHONDONTWRITEBYTECODE=1")}
}

// command makes bin/name run a command line.
func command(t testing.TB, bin, name, line string) {
	t.Helper()
	text := "#!/bin/sh\nexec " + line + ` "$@"` + "\n"
	must(t, os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755))
}

// run returns what a command prints on both outputs.
func (s *shell) run(ctx context.Context, argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	cmd := exec.CommandContext(ctx, "env", argv...) // env looks for it in our PATH
	cmd.Dir, cmd.Env = s.dir, s.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}
