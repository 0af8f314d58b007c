package uptest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/pathload"
	"sluice/internal/testenv"
)

// envSmallDisk names the folder of the small disk.
const envSmallDisk = "UPTEST_SMALL_DISK"

// The disk fills up while devices publish: nothing more is acknowledged, the log says
// why, and when there is room again everything goes on; what was acknowledged is stored.
func TestUp_FullDisk_AcknowledgesNothingThatIsNotStored(t *testing.T) {
	if dir := os.Getenv(envSmallDisk); dir != "" {
		fillDisk(t, dir)
		return
	}
	t.Parallel()
	const name = "TestUp_FullDisk_AcknowledgesNothingThatIsNotStored"
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+name+"$", "-test.v")
	cmd.Env = append(os.Environ(), envSmallDisk+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{ // it may mount in its own view of the file system
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+name) {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "acknowledged") {
			t.Log(strings.TrimSpace(line))
		}
	}
}

func fillDisk(t *testing.T, dir string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=32m"); err != nil {
		t.Fatalf("mount a small disk: %v", err)
	}
	t.Setenv("TMPDIR", dir)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 21<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, 0, "")
	s.awaitUp()
	l := pathload.Start(t, pathload.Link{Address: s.door, AnswerWithin: 10 * time.Second}, pathload.Plan{
		Sensors: 8, Numbers: -1, Interval: 10 * time.Millisecond, Padding: 2000,
	})
	before := s.awaitRefused(l)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	l.AwaitAcked(100)
	sent := l.Finish()
	s.verify(sent, s.awaitRows(acknowledged(sent)))
	s.Terminate()
	t.Logf("%d acknowledged before the disk was full, %d in the end, all rows", before, acknowledged(sent))
}

// awaitRefused waits until nothing is acknowledged any more for want of room.
func (s *site) awaitRefused(l *pathload.Load) (acked int) {
	s.t.Helper()
	s.AwaitLog("no room on its disk", 1)
	var since time.Time
	testenv.Eventually(s.t, patience, func() error {
		switch n, _ := l.Counts(); {
		case n != acked:
			acked, since = n, time.Now()
		case time.Since(since) > 2*time.Second:
			return nil
		}
		return errors.New("it still acknowledges")
	})
	return acked
}
