package pathtest

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"sluice/internal/process"
)

// envRouter holds the settings of a router; where it is set, this process is one.
const envRouter = "PATHTEST_ROUTER"

func TestMain(m *testing.M) {
	text, ok := os.LookupEnv(envRouter)
	if !ok {
		moreParallel()
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

// moreParallel lets more tests run at a time than there are processors: they wait
// more than they compute.
func moreParallel() {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = f.Value.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0)))
	}
}
