package hostiletest

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"sluice/app"
	"sluice/internal/apptest"
	"sluice/internal/process"
	"sluice/internal/testenv"
)

// envRouter holds the path of a configuration; where it is set, this process is the
// batch-router.
const envRouter = "HOSTILETEST_ROUTER"

func TestMain(m *testing.M) {
	path, ok := os.LookupEnv(envRouter)
	if !ok {
		testenv.Parallel(6) // they mostly wait
		goleak.VerifyTestMain(m)
		return
	}
	process.DieWithParent()
	os.Exit(apptest.RunBatchRouter(path, app.DefaultSinks()))
}

// patience bounds every wait: far more than a slow machine needs.
const patience = process.Patience

// full tells whether the floods are to be those of the proof.
func full() bool { return os.Getenv("HOSTILE") == "full" }

// floods are how large they are.
type floods struct {
	connects, halfOpen, denied, retained int
}

func sizes() floods {
	if full() {
		return floods{connects: 10_000, halfOpen: 2000, denied: 50_000, retained: 10_000}
	}
	return floods{connects: 200, halfOpen: 100, denied: 2000, retained: 1000}
}
