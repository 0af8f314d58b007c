package pythontest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience bounds what a Python process does: far more than a slow machine needs.
const patience = 4 * time.Minute

// interpreter returns the Python that has what the client needs; a machine without
// one fails the test and says what to install.
func interpreter(t testing.TB) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "../../scripts/python.sh")
	var said strings.Builder
	cmd.Stderr = &said
	path, err := cmd.Output()
	if err != nil {
		t.Fatalf("scripts/python.sh: %v\n%s", err, said.String())
	}
	return strings.TrimSpace(string(path))
}

// python runs the interpreter in the folder of the client, with more in its
// environment, and returns all that it printed.
func python(t testing.TB, env []string, args ...string) (output string, err error) {
	t.Helper()
	dir, err := filepath.Abs("../../python")
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, interpreter(t), args...)
	cmd.Dir = dir
	cmd.WaitDelay = 10 * time.Second // its own children may hold the pipes
	cmd.Env = append(os.Environ(), "PYTHONPATH="+dir, "PYTHONDONTWRITEBYTECODE=1", "no_proxy=127.0.0.1,localhost")
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
