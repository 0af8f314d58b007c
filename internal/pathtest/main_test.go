package pathtest

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"sluice/internal/process"
	"sluice/internal/testenv"
)

// envRouter holds the settings of a router; where it is set, this process is one.
const envRouter = "PATHTEST_ROUTER"

func TestMain(m *testing.M) {
	text, ok := os.LookupEnv(envRouter)
	if !ok {
		testenv.Parallel(2 * runtime.GOMAXPROCS(0)) // they wait more than they compute
		goleak.VerifyTestMain(m)
		return
	}
	var s settings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		fmt.Fprintln(os.Stderr, envRouter+":", err)
		os.Exit(2)
	}
	process.DieWithParent()
	os.Exit(s.run())
}
