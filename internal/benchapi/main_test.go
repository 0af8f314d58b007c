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
const processEnv = "BENCHAPI_TEST_PROCESS"

func TestMain(m *testing.M) {
	if os.Getenv(processEnv) == "" {
		os.Exit(m.Run())
	}
	main()
}

func TestBenchAPI_MeasuresEveryWayToRead(t *testing.T) {
	t.Parallel()
	const rows = 20_000
	api := filepath.Join(t.TempDir(), "api")
	if out, err := exec.Command("go", "build", "-o", api, "sluice/cmd/api").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cmd := exec.Command(os.Args[0], "-api", api, "-rows", "20000", "-runs", "2", "-readers", "4", "-slow", "200ms", "-stop", "400ms", "-json")
	cmd.Env = append(os.Environ(), processEnv+"=1")
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var r bench.APIResult
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{
		"QuerySensorRows": rows, "GetSensorRows": rows,
		"QuerySensorRows, time range": rows / 10, "QuerySensorRows, time range, by device": rows / 10,
		"QuerySensorRows, time range, 100 devices": rows / 100,
	}
	for _, read := range r.Reads {
		if n, ok := want[read.Method]; ok && read.Rows != n {
			t.Errorf("%s: got %d rows, want %d", read.Method, read.Rows, n)
		}
		delete(want, read.Method)
		if len(read.Runs) != 2 || len(read.Runs[0].CPU) != 3 {
			t.Errorf("%s: got %+v, want 2 runs of 3 processes", read.Method, read.Runs)
		}
	}
	if len(want) > 0 || len(r.Reads) != 7 {
		t.Errorf("got %d readings, without %v", len(r.Reads), want)
	}
	checkLoads(t, &r)
}

func checkLoads(t *testing.T, r *bench.APIResult) {
	t.Helper()
	if r.Readers == nil || r.Readers.Rows != 4*20_000 || r.Readers.Seconds < 0.2 {
		t.Errorf("got %+v, want all rows of 4 readers after 200 ms", r.Readers)
	}
	if s := r.Stopped; s == nil || len(s.Rows) != 2 || s.Rows[0] != 20_000 || s.Rows[1] != 20_000 || s.Beside.PerSecond == 0 || s.Beside.Latency == nil {
		t.Errorf("got %+v, want all rows of 2 readers that stopped", s)
	}
	for _, m := range r.Memory {
		if m.Error != "" || m.Peak == 0 {
			t.Errorf("got %+v, want figures", m)
		}
	}
}
