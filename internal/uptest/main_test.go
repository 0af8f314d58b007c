package uptest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"sluice/app"
	"sluice/config"
	"sluice/internal/process"
	"sluice/internal/testenv"
)

// envUp holds a plan in JSON; where it is set, this process is a `sluice up`.
const envUp = "UPTEST_PROCESS"

func TestMain(m *testing.M) {
	text, ok := os.LookupEnv(envUp)
	if !ok {
		goleak.VerifyTestMain(m)
		return
	}
	process.DieWithParent()
	if err := up(text); err != nil {
		fmt.Fprintln(os.Stderr, "up:", err)
		os.Exit(app.ExitFailed)
	}
}

// plan is how a process is started.
type plan struct {
	Config   string // path
	Dir      string
	Demo     int
	Postgres bool
}

func up(text string) error {
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := app.UpOptions{Dir: p.Dir, Demo: p.Demo, Postgres: p.Postgres, Listen: app.UpListen, Out: os.Stdout}
	c, err := config.Load(p.Config, nil, app.UpConfig(app.DefaultSinks(), o)...)
	if err != nil {
		return err
	}
	return app.NewUp(c, o, app.DefaultSinks(), os.Stderr).Run(ctx)
}

// site is the data of one test and the process on it.
type site struct {
	*process.Process

	t                *testing.T
	plan             plan
	door, grpc, http string // addresses
	admin            *app.AdminClient
}

// facility is that of the configuration.
const facility = "plant-1"

// newSite starts a process with devices of its own on empty data; more is YAML at the
// end of the configuration.
func newSite(t *testing.T, demo int, more string) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "up") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &site{t: t, door: testenv.Address(t), grpc: testenv.Address(t), http: testenv.Address(t)}
	s.plan = plan{Config: filepath.Join(dir, "sluice.yaml"), Dir: filepath.Join(dir, "data"), Demo: demo}
	s.admin = app.NewAdminClient(filepath.Join(s.plan.Dir, app.AdminSocket))
	text := fmt.Sprintf("facility: %s\nlisten: {addresses: [{address: %q}]}\napi: {grpc: %q, http: %q}\nmetrics: {batch_router: off}\n%s",
		facility, s.door, s.grpc, s.http, more)
	if err := os.WriteFile(s.plan.Config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	return s
}

func (s *site) start() {
	s.t.Helper()
	text, err := json.Marshal(s.plan)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Process = process.Start(s.t, envUp, string(text))
}

// isUp is what a process prints when devices may connect.
const isUp = "Sluice is up"

func (s *site) awaitUp() {
	s.t.Helper()
	s.AwaitLog(isUp, 1)
}
