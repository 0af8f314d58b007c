package outagetest

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"sluice/app"
	"sluice/internal/apptest"
	"sluice/internal/process"
)

// envRouter holds the path of a configuration; where it is set, this process is
// the batch-router.
const envRouter = "OUTAGETEST_ROUTER"

func TestMain(m *testing.M) {
	path, ok := os.LookupEnv(envRouter)
	if !ok {
		goleak.VerifyTestMain(m)
		return
	}
	process.DieWithParent()
	os.Exit(apptest.RunBatchRouter(path, app.DefaultSinks()))
}
