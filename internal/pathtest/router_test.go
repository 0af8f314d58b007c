package pathtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice"
	"sluice/app"
	"sluice/internal/apptest"
	"sluice/internal/pathload"
	"sluice/mqtt"
	"sluice/redisq"
	"sluice/store/postgres"
)

// facility is the name of the site under test.
const facility = "plant-1"

// settings are everything that a router process is told.
type settings struct {
	Broker, Redis, Database string // URLs
	FacilityID              int32

	// Die says where the router kills itself; the zero value: nowhere.
	Die fate

	// MaxBytes is redisq's limit. The durations are the engine's, short here so
	// that a death is soon noticed.
	MaxBytes                        int64
	LeaseTTL, ClaimTTL, CallTimeout time.Duration

	// ConfigFile, when set, runs the batch-router's own main with that file, and
	// everything above is ignored.
	ConfigFile string
}

// run is the main of a router process and returns its exit status.
func (s settings) run() int {
	if s.ConfigFile != "" {
		return s.runMain()
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := s.compose(ctx, log); err != nil {
		log.Error("ended", "err", err)
		return 1
	}
	return 0
}

// compose wires the real adapters as package app does, with the test's handler
// and the points of death around them.
func (s settings) compose(ctx context.Context, log *slog.Logger) error {
	pool, err := postgres.NewPool(ctx, s.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	queue, err := s.openQueue(ctx, log)
	if err != nil {
		return err
	}
	defer queue.Close()

	end := &ending{fate: s.Die}
	mux := newMux(pool, s.FacilityID)
	mux.Use(func(h sluice.Handler) sluice.Handler { return end.handler(h) })
	source := mqtt.NewSource(mqtt.Config{
		URL: s.Broker, ClientID: "router", Filters: mux.Filters(), MaxPayload: sluice.MaxPayload, Logger: log,
	})
	return sluice.NewRouter(end.queue(queue), mux, sluice.Config{
		Source: source, Dead: end.handler(postgres.NewDead(pool, s.FacilityID)), Logger: log,
		LeaseTTL: s.LeaseTTL, ClaimTTL: s.ClaimTTL, CallTimeout: s.CallTimeout,
		Sweep: time.Second, RetryMax: 500 * time.Millisecond,
	}).Run(ctx)
}

// openQueue waits until Redis answers.
func (s settings) openQueue(ctx context.Context, log *slog.Logger) (*redisq.Queue, error) {
	for {
		queue, err := redisq.Open(ctx, redisq.Config{
			URL: s.Redis, Facility: facility, MaxBytes: s.MaxBytes, DeadPerDevice: 1_000_000, Logger: log,
		})
		if err == nil || errors.Is(err, redisq.ErrUnfit) {
			return queue, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// newMux registers both routes.
func newMux(pool *pgxpool.Pool, facilityID int32) *sluice.Mux {
	policy := sluice.Policy{Max: 200, Timeout: 100 * time.Millisecond}
	mux := sluice.NewMux()
	mux.Add(sluice.Route{
		Topics: []string{pathload.RouteSensor, pathload.RouteSensor + "/{device}"}, Policy: policy,
		Handler: postgres.NewSensor(pool, facilityID, postgres.SensorConfig{}),
	})
	mux.Handle(pathload.RouteNumber, policy, pathload.Numbers{Pool: pool})
	return mux
}

// runMain is cmd/batch-router with one more sink.
func (s settings) runMain() int {
	sinks := app.DefaultSinks()
	sinks["numbers"] = app.Sink{New: func(db app.Database) sluice.Handler { return pathload.Numbers{Pool: db.Pool} }}
	return apptest.RunBatchRouter(s.ConfigFile, sinks)
}

// configFile is a configuration of the batch-router for a site.
func configFile(broker, redis, database, admin string) string {
	return fmt.Sprintf(`facility: %s
broker: {url: %q}
queue: {redis: {url: %q}}
store: {postgres: {url: %q}}
routes:
  - {topic: [%q, %q], batch: {max: 200, timeout: 100ms}, sink: sensor}
  - {topic: %q, batch: {max: 200, timeout: 100ms}, sink: numbers}
admin: %q
metrics: {batch_router: off}
`, facility, broker, redis, database, pathload.RouteSensor, pathload.RouteSensor+"/{device}", pathload.RouteNumber, admin)
}
