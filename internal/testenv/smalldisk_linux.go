package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// smallDisk is the variable of the environment that names the folder of the small disk.
const smallDisk = "TESTENV_SMALL_DISK"

// SmallDisk runs test on a disk of so many MiB, which is at dir: in a process of its own,
// which has a view of the file system in which it may mount one. It is all that the test
// of t does, and returns what that process has printed. User namespaces must be allowed.
func SmallDisk(t *testing.T, mebibytes int, test func(dir string)) (out string) {
	t.Helper()
	if dir := os.Getenv(smallDisk); dir != "" {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mebibytes)); err != nil {
			t.Fatalf("mount a small disk: %v", err)
		}
		test(dir)
		return ""
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), smallDisk+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	printed, err := cmd.CombinedOutput()
	if out = string(printed); err != nil || !strings.Contains(out, "--- PASS: "+t.Name()) {
		t.Fatalf("the test on a small disk: %v\n%s", err, out)
	}
	return out
}
