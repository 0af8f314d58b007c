package doortest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/bench"
)

// memoryOf returns the resident memory of a process now and at its most, in bytes
// [proc(5), VmRSS, VmHWM].
func memoryOf(t testing.TB, pid int) (now, most int64) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	return statusField(t, string(text), "VmRSS:"), statusField(t, string(text), "VmHWM:")
}

func statusField(t testing.TB, status, name string) (bytes int64) {
	t.Helper()
	_, rest, found := strings.Cut(status, name)
	if _, err := fmt.Sscan(rest, &bytes); err != nil || !found {
		t.Fatalf("no %s in %q: %v", name, status, err)
	}
	return bytes << 10 // of KiB
}

// cpuOf returns the time that a process has used.
func cpuOf(t testing.TB, pid int) time.Duration {
	t.Helper()
	used, err := bench.ProcCPU(pid)
	if err != nil {
		t.Fatal(err)
	}
	return used
}

// loadOf is what else the machine does: its load of the last minute.
func loadOf() string {
	text, _ := os.ReadFile("/proc/loadavg") // not there: not told
	load, _, _ := strings.Cut(string(text), " ")
	return load
}

// needFiles fails the test when this process, and so its replicas, may not have that
// many connections open. The soft limit is as high as the hard one: Go raises it.
func needFiles(t testing.TB, connections int) {
	t.Helper()
	const others = 500
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Max < uint64(connections+others) {
		t.Fatalf("%d connections need a limit of %d open files, not %d: ulimit -n", connections, connections+others, limit.Max)
	}
}

// mostMemory is what a replica may take with ten thousand connections.
const mostMemory = 256 << 20
