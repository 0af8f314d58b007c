package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"sluice/bench"
)

// processEnv, when set, makes this test binary the program. It has not the prefix of
// the variables that are configuration.
const processEnv = "BENCHPATH_TEST_PROCESS"

func TestMain(m *testing.M) {
	if os.Getenv(processEnv) == "" {
		os.Exit(m.Run())
	}
	main()
}

func TestBenchPath_ChecksEveryRowAndMeasuresEveryProcess(t *testing.T) {
	t.Parallel()
	router := filepath.Join(t.TempDir(), "batch-router")
	if out, err := exec.Command("go", "build", "-o", router, "sluice/cmd/batch-router").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	profile := filepath.Join(t.TempDir(), "cpu.pprof")
	for name, tt := range map[string]struct {
		args      []string
		processes int
	}{
		"readings":         {[]string{"-router", router}, 5},
		"keyless":          {[]string{"-keyless"}, 5},
		"front door":       {[]string{"-router", router, "-door", "-window", "1"}, 4},
		"keyless, by door": {[]string{"-keyless", "-door", "-cpuprofile", profile}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], append(tt.args, "-messages", "2000", "-devices", "10", "-json")...)
			cmd.Env = append(os.Environ(), processEnv+"=1")
			cmd.Stderr = t.Output()
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var result bench.Result
			if err := json.Unmarshal(out, &result); err != nil {
				t.Fatal(err)
			}
			if !result.OK() || result.Rows == nil || result.Rows.Found != 2000 {
				t.Errorf("got %s", out)
			}
			if n := len(result.Usage); n != tt.processes {
				t.Errorf("got %d processes, want %d", n, tt.processes)
			}
			for _, u := range result.Usage {
				if u.Error != "" || u.PeakMemory == 0 {
					t.Errorf("got %+v, want figures", u)
				}
			}
			if info, err := os.Stat(profile); slices.Contains(tt.args, profile) && (err != nil || info.Size() == 0) {
				t.Errorf("no profile: %v", err)
			}
		})
	}
}
