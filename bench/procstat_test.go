package bench

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"sluice/internal/testenv"
)

func TestParseStat(t *testing.T) {
	s, err := parseStat([]byte("42 (a) b (c) S 7 42 42 0 -1 4194304 1 2 3 4 150 50 30 20 20 0 1 0 100 1 1\n"))
	if want := (procStat{parent: 7, own: 2 * time.Second, reaped: 500 * time.Millisecond}); err != nil || s != want {
		t.Errorf("got %+v, %v; want %+v", s, err, want)
	}
	for _, bad := range []string{"", "1 (x) S 2", "1 (x) S a b c d e f g h i j k l m n o p"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q: got no error", bad)
		}
	}
}

// The time of a grandchild counts while it runs and after it was reaped.
func TestTreeCPU_CountsDescendantsLivingAndReaped(t *testing.T) {
	cmd := exec.Command("sh", "-c", `sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; read line`)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = in.Close() // ends the shell
		_ = cmd.Wait() // with the status of read
	}()
	pid := cmd.Process.Pid
	testenv.Eventually(t, 30*time.Second, func() error {
		own, err := ProcCPU(pid)
		if err != nil {
			return err
		}
		tree, err := TreeCPU(pid)
		if err != nil {
			return err
		}
		if len(readProcesses().family(pid)) > 1 || tree < own+50*time.Millisecond {
			return os.ErrDeadlineExceeded // the child runs still
		}
		return nil
	})
	if without, err := TreeCPU(pid, pid); err != nil || without != 0 {
		t.Errorf("without the process itself: got %v, %v, want 0s", without, err)
	}
	if _, err := TreeCPU(1 << 30); err == nil {
		t.Error("a process that does not exist: got no error")
	}
}

func TestReadMemory_OfThisProcess(t *testing.T) {
	m, err := readMemory(os.Getpid())
	if err != nil || m.private <= 0 || m.shared <= 0 || m.peak < m.private {
		t.Errorf("got %+v, %v", m, err)
	}
}
