package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testenv"
)

// processEnv, when set, makes this test binary the demo.
const processEnv = "SLUICE_DEMO_TEST_PROCESS"

func TestMain(m *testing.M) {
	if os.Getenv(processEnv) == "" {
		os.Exit(m.Run())
	}
	main()
}

var storedCount = regexp.MustCompile(`received \d+  stored (\d+) `)

func TestDemo_RunsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/task"); err != nil {
		t.Skip("processes are counted in /proc")
	}
	tmp := readableDir(t)
	cmd := exec.Command(os.Args[0], "-devices", "5", "-interval", "200ms")
	cmd.Env = append(os.Environ(), processEnv+"=1", "TMPDIR="+tmp)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })

	printed := awaitMoves(out, 3)
	children := descendants(cmd.Process.Pid)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, out) // Wait must come after the reads
	if err := cmd.Wait(); err != nil {
		t.Errorf("got %v, want exit status 0", err)
	}

	for _, want := range []string{"data.sensor", "cmd/sluice -c ", "/metrics", "mosquitto_pub -h 127.0.0.1 -p "} {
		if !strings.Contains(printed, want) {
			t.Errorf("got %s\nwant %q in it", printed, want)
		}
	}
	if len(children) < 3 {
		t.Errorf("got processes %v, want at least three servers", children)
	}
	testenv.Eventually(t, 10*time.Second, func() error {
		for _, pid := range children {
			if syscall.Kill(pid, 0) == nil {
				return fmt.Errorf("process %d is still there", pid)
			}
		}
		return nil
	})
	left, err := filepath.Glob(filepath.Join(tmp, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range left {
		if filepath.Base(path) != "sluice-ports" { // the locks that all test processes share
			t.Errorf("left behind: %s", path)
		}
	}
}

// readableDir is a temporary folder that PostgreSQL's user may pass through.
func readableDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "demo")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// awaitMoves reads until the count of stored messages has risen n times, and
// returns what was read. It returns early at the end of out.
func awaitMoves(out io.Reader, n int) string {
	var text strings.Builder
	last := 0
	for in := bufio.NewScanner(out); n > 0 && in.Scan(); {
		fmt.Fprintln(&text, in.Text())
		if m := storedCount.FindStringSubmatch(in.Text()); m != nil {
			if stored, err := strconv.Atoi(m[1]); err == nil && stored > last {
				last = stored
				n--
			}
		}
	}
	return text.String()
}

// descendants returns the processes below pid.
func descendants(pid int) (all []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is good
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		for word := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				all = append(append(all, child), descendants(child)...)
			}
		}
	}
	return all
}
