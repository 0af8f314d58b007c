package doortest

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"sluice"
	"sluice/app"
	"sluice/internal/apptest"
	"sluice/internal/pathload"
	"sluice/internal/process"
)

// envReplica holds the path of a configuration; where it is set, this process is a
// batch-router with the sink of the keyless route.
const envReplica = "DOORTEST_REPLICA"

func TestMain(m *testing.M) {
	if plan, ok := os.LookupEnv(envSiege); ok {
		process.DieWithParent()
		os.Exit(besiege(plan))
	}
	path, ok := os.LookupEnv(envReplica)
	if !ok {
		goleak.VerifyTestMain(m)
		return
	}
	process.DieWithParent()
	sinks := app.DefaultSinks()
	sinks["numbers"] = app.Sink{New: func(db app.Database) sluice.Handler { return pathload.Numbers{Pool: db.Pool} }}
	os.Exit(apptest.RunBatchRouter(path, sinks))
}

// full tells whether the proofs are to be long.
func full() bool { return os.Getenv("DOORTEST") == "full" }
