package hostiletest

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"sluice/app"
	"sluice/config"
	"sluice/internal/process"
)

// envRouter holds the path of a configuration; where it is set, this process is the
// batch-router.
const envRouter = "HOSTILETEST_ROUTER"

func TestMain(m *testing.M) {
	path, ok := os.LookupEnv(envRouter)
	if !ok {
		flag.Parse()
		// The tests mostly wait: more of them than there are processors run at once.
		if f := flag.Lookup("test.parallel"); f.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
			_ = f.Value.Set("6") // a number is one
		}
		goleak.VerifyTestMain(m)
		return
	}
	process.DieWithParent()
	sinks := app.DefaultSinks()
	run := func(ctx context.Context, c *config.Config, log *slog.Logger) error {
		return app.NewBatchRouter(c, sinks, log).Run(ctx)
	}
	fs := flag.NewFlagSet("batch-router", flag.ContinueOnError)
	os.Exit(app.Main(fs, []string{"-config", path}, run, app.BatchRouterConfig(sinks)...))
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
