package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
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
	for name, args := range map[string][]string{
		"readings": {"-router", router},
		"keyless":  {"-keyless"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], append(args, "-messages", "2000", "-devices", "10", "-json")...)
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
			if n := len(result.Usage); n != 5 {
				t.Errorf("got %d processes, want 5", n)
			}
			for _, u := range result.Usage {
				if u.Error != "" || u.PeakMemory == 0 {
					t.Errorf("got %+v, want figures", u)
				}
			}
		})
	}
}
