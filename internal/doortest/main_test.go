package doortest

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"

	"sluice"
	"sluice/app"
	"sluice/config"
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
	run := func(ctx context.Context, c *config.Config, log *slog.Logger) error {
		return app.NewBatchRouter(c, sinks, log).Run(ctx)
	}
	fs := flag.NewFlagSet("batch-router", flag.ContinueOnError)
	os.Exit(app.Main(fs, []string{"-config", path}, run, app.BatchRouterConfig(sinks)...))
}

// full tells whether the proofs are to be long.
func full() bool { return os.Getenv("DOORTEST") == "full" }
