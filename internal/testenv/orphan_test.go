package testenv_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/internal/testenv"
)

// victimEnv, when set, makes TestVictim start servers and wait to be killed.
const victimEnv = "SLUICE_TESTENV_VICTIM"

// TestVictim is the body of the process that TestKilledTestProcess_LeavesNothing
// kills; by itself it does nothing.
func TestVictim(t *testing.T) {
	if os.Getenv(victimEnv) == "" {
		return
	}
	testenv.Database(t)
	servers := []*testenv.Server{testenv.Mosquitto(t), testenv.Redis(t), testenv.Postgres(t)}
	for _, s := range servers {
		for _, pid := range s.PIDs() {
			fmt.Println("pid", pid)
		}
	}
	fmt.Println("dir", filepath.Dir(filepath.Dir(servers[0].LogPath())))
	select {}
}

func TestKilledTestProcess_LeavesNothing(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("only Linux ends children with their parent")
	}
	victim := exec.Command(os.Args[0], "-test.run=^TestVictim$", "-test.timeout=5m")
	victim.Env = append(os.Environ(), victimEnv+"=1")
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	pids, dir := readVictim(bufio.NewScanner(out))
	if err := victim.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = victim.Wait() // it was killed
	if dir == "" {
		t.Fatal("the victim did not get as far as its servers")
	}

	testenv.Eventually(t, 30*time.Second, func() error {
		for _, pid := range pids {
			if testenv.Alive(pid) {
				return fmt.Errorf("process %d is alive", pid)
			}
		}
		if _, err := os.Stat(dir); err == nil {
			return fmt.Errorf("%s is still there", dir)
		}
		return nil
	})
}

// readVictim reads what TestVictim prints, up to the directory.
func readVictim(in *bufio.Scanner) (pids []int, dir string) {
	for in.Scan() {
		word, value, _ := strings.Cut(in.Text(), " ")
		switch word {
		case "pid":
			if pid, err := strconv.Atoi(value); err == nil {
				pids = append(pids, pid)
			}
		case "dir":
			return pids, value
		}
	}
	return pids, ""
}
