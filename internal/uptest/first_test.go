package uptest

import (
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/internal/testenv"
)

// patience bounds every wait: far more than a slow machine needs.
const patience = time.Minute

// A newcomer starts it with simulated devices and copies the lines that it prints.
func TestUp_FirstMinute(t *testing.T) {
	t.Parallel()
	s := newSite(t, 9, "clock: {interval: 1s}\ndevice: {delay: 2s}\nnotify: [{kind: log, group_wait: 100ms}]\n")
	s.awaitUp()
	began := time.Now()
	s.awaitDevices("demo-0001", "demo-0009")
	t.Logf("rows of the simulated devices %v after the start", time.Since(began).Round(time.Millisecond))
	for _, line := range []string{"rows", "live", "gRPC", "Python"} {
		if out := s.copied(line); !strings.Contains(out, "demo-000") {
			t.Errorf("%s printed no reading:\n%s", line, out)
		}
	}
	s.copied("publish")
	s.awaitDevices("greenhouse-7")
	if out := s.copied("status"); !strings.Contains(out, "devices") {
		t.Errorf("status: %s", out)
	}

	s.copied("outage")
	s.AwaitLog(`"down":["demo-0007"]`, 1)
	s.AwaitLog(`"back":["demo-0007"]`, 1)

	s.Terminate()
	rows := len(s.restarted())
	t.Logf("%d rows are there after a restart", rows)
}

// restarted starts the process on its data without simulated devices, and returns the
// rows.
func (s *site) restarted() []reading {
	s.t.Helper()
	s.plan.Demo = 0
	s.start()
	s.awaitUp()
	rows, err := s.rows()
	if err != nil || len(rows) == 0 {
		s.t.Errorf("%d rows, %v", len(rows), err)
	}
	return rows
}

// copied runs the line that is printed behind a word, to its end: `go run` may have to compile.
func (s *site) copied(word string) string {
	s.t.Helper()
	line := s.printed(word)
	cmd := exec.CommandContext(s.t.Context(), "timeout", "--signal=INT", "240", "bash", "-c", line+" | head -c 2000")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "PATH="+s.tools()+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Errorf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// printed is what is printed behind a word.
func (s *site) printed(word string) string {
	s.t.Helper()
	for _, line := range s.Lines() {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), word+" "); ok {
			return strings.TrimSpace(rest)
		}
	}
	s.t.Fatalf("it does not print a line for %q", word)
	return ""
}

// tools is a folder with grpcurl, and with the Python that has Debian's packages.
func (s *site) tools() string {
	s.t.Helper()
	dir := s.t.TempDir()
	cmd := exec.CommandContext(s.t.Context(), "go", "build", "-modfile=tools/grpcurl/go.mod", "-o", dir, "github.com/fullstorydev/grpcurl/cmd/grpcurl")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Symlink("/usr/bin/python3", filepath.Join(dir, "python3")); err != nil {
		s.t.Fatal(err)
	}
	return dir
}

// awaitDevices waits until these devices have rows.
func (s *site) awaitDevices(names ...string) {
	s.t.Helper()
	testenv.Eventually(s.t, patience, func() error {
		have, err := s.devices()
		for _, name := range names {
			if err == nil && !have[name] {
				err = fmt.Errorf("%s has no row", name)
			}
		}
		return err
	})
}

// devices reads by HTTP which devices have rows.
func (s *site) devices() (map[string]bool, error) {
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.http+"/v1/sensor?format=csv", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	all := csv.NewReader(resp.Body)
	have := map[string]bool{}
	for {
		record, err := all.Read()
		if err == io.EOF {
			return have, nil
		}
		if err != nil {
			return nil, err
		}
		for _, field := range record {
			have[field] = true
		}
	}
}
