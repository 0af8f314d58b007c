package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"golang.org/x/sync/errgroup"

	"sluice"
	"sluice/config"
	"sluice/device"
	"sluice/mqtt"
	"sluice/store"
	"sluice/store/postgres"
	"sluice/store/sqlite"
)

// DefaultSinks are the sinks that come with Sluice: "sensor" stores
// msg.SensorData in data.sensor.
func DefaultSinks() Sinks {
	return Sinks{"sensor": {
		New: func(db Database) sluice.Handler {
			if db.SQLite != nil {
				return sqlite.NewSensor(db.SQLite, db.Facility, sqlite.SensorConfig{})
			}
			return postgres.NewSensor(db.Pool, db.Facility, postgres.SensorConfig{})
		},
		Identify: store.IdentifySensor,
	}}
}

// BatchRouterConfig is what the batch-router reads of the configuration.
func BatchRouterConfig(sinks Sinks) []config.Option {
	return []config.Option{
		config.Only("facility", "broker", "listen", "queue", "store", "routes", "presence", "notify", "dead", "gather", "admin", "metrics", "shutdown_timeout"),
		config.Sinks(sinks.Names()...),
	}
}

// BatchRouter is the service that receives, queues and handles.
type BatchRouter struct {
	config *config.Config
	sinks  Sinks
	log    *slog.Logger
	fleet  *device.Fleet // simulated in this process; nil for none
}

// NewBatchRouter wires the service and starts nothing.
func NewBatchRouter(c *config.Config, sinks Sinks, log *slog.Logger) *BatchRouter {
	return &BatchRouter{config: c, sinks: sinks, log: log}
}

// Run opens everything that the router needs and works until ctx ends; then it
// returns nil. It returns an error only for what no retry mends: a queue that is
// not durable, a database with another schema, an address in use. Servers that do
// not answer are waited for. Call it once.
func (s *BatchRouter) Run(ctx context.Context) error {
	closing := teardown{log: s.log}
	defer closing.run()

	pool, err := postgres.NewPool(ctx, s.config.Store.Postgres.DSN().Reveal())
	if err != nil {
		return err
	}
	closing.add("database", func() error { pool.Close(); return nil })
	db := s.newDatabase(postgresRows{pool})
	if err := s.tryDatabase(ctx, db); err != nil {
		return err
	}
	queue, err := openRedis(ctx, s.config, s.log)
	if err != nil || queue == nil {
		return err
	}
	closing.add("queue", func() error { queue.Close(); return nil })
	return s.work(ctx, queue, db)
}

// newDatabase returns the database that rows is, which nothing has asked yet.
func (s *BatchRouter) newDatabase(rows rowStore) *lazyDatabase {
	return &lazyDatabase{rows: rows, facility: s.config.Facility}
}

// work routes until ctx ends.
func (s *BatchRouter) work(ctx context.Context, queue queueStore, db *lazyDatabase) error {
	closing := teardown{log: s.log}
	defer closing.run()
	mux, err := newMux(s.config.Routes, s.sinks, db)
	if err != nil {
		return err
	}
	keeper := s.newKeeper(queue)
	in, err := s.newWay(mux, keeper, queue)
	if err != nil {
		return err
	}
	closing.add(in.name, in.close)
	receivers, err := s.receivers()
	if err != nil {
		return err
	}

	registry := newRegistry()
	ends(registry, routerCertificates(s.config)...)
	router := sluice.NewRouter(queue, mux, sluice.Config{
		Source: in.source, Session: in.name, Door: in.door,
		Presence: s.newPresence(keeper, db, receivers), Dead: db.handler(db.rows.dead), Observer: newRouterMetrics(registry),
		Logger: s.log, ShutdownTimeout: s.config.ShutdownTimeout,
	})
	operator := &operator{
		facility: s.config.Facility, queue: queue, devices: queue, keeper: keeper, router: router, db: db, mux: mux, fleet: s.fleet, way: in.name, log: s.log,
	}
	gaugeOf(registry, "lease_held", "1 while this process reads the broker, or its front door is open.", func() float64 { return oneIf(router.Leading()) })
	registry.MustRegister(newQueueCollector(operator.statuses))
	registry.MustRegister(newPresenceCollector(queue.CountDevices))
	in.register(registry)
	return s.serve(ctx, router, operator, healthMux(registry, operator.checks()))
}

// serve runs the router and what observes it. The observers outlive the router,
// so that its last state can still be seen.
func (s *BatchRouter) serve(ctx context.Context, router *sluice.Router, o *operator, health http.Handler) error {
	metrics, err := listenHTTP(ctx, s.config.Metrics.BatchRouter, "batch_router")
	if err != nil {
		return err
	}
	socket, err := listenAdmin(ctx, s.config.Admin)
	if err != nil {
		if metrics != nil {
			metrics.Close()
		}
		return err
	}
	side, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	g, ctx := errgroup.WithContext(ctx)
	if metrics != nil {
		g.Go(func() error { return serveHTTP(side, metrics, health) })
	}
	g.Go(func() error { return serveHTTP(side, socket, adminMux(o)) })
	g.Go(func() error { o.report(side); return nil })
	g.Go(func() error { o.prune(side, s.config.Dead.Keep); return nil })
	g.Go(func() error {
		defer end()
		s.log.Info("started", append([]any{"facility", s.config.Facility, "routes", router.Queues()}, listens(s.config.Listen)...)...)
		defer s.log.Info("stopped")
		return router.Run(ctx)
	})
	return g.Wait()
}

// tryDatabase refuses to start on a database with another schema; one that does
// not answer is waited for later, while messages queue.
func (s *BatchRouter) tryDatabase(ctx context.Context, db *lazyDatabase) error {
	_, err := db.get(ctx)
	if db.rows.unfit(err) {
		return err
	}
	if err != nil && ctx.Err() == nil {
		s.log.Warn("database not ready: messages queue until it is", "err", err)
	}
	return nil
}

func (s *BatchRouter) newSource(mux *sluice.Mux, sync string) (*mqtt.Source, error) {
	c, err := brokerConfig(s.config.Broker, s.log)
	if err != nil {
		return nil, err
	}
	c.Filters, c.Sync = mux.Filters(), sync
	c.ReceiveMaximum = s.config.Broker.ReceiveMaximum
	c.SessionExpiry = s.config.Broker.SessionExpiry
	c.Gather = s.config.Gather
	if c.Gather == 0 { // asked for; to the source 0 means its default
		c.Gather = -1
	}
	for _, r := range mux.Routes() {
		c.MaxPayload = max(c.MaxPayload, r.MaxPayload)
	}
	if c.User == "" {
		c.ClientID = "sluice-" + s.config.Facility
	}
	source := mqtt.NewSource(c)
	return source, source.Check()
}

// brokerConfig is what all clients of the broker share.
func brokerConfig(b config.Broker, log *slog.Logger) (mqtt.Config, error) {
	tlsConfig, err := b.TLS()
	if err != nil {
		return mqtt.Config{}, fmt.Errorf("broker: %w", err)
	}
	return mqtt.Config{URL: b.URL.Reveal(), User: b.User, Password: b.Password.Reveal(), TLS: tlsConfig, Logger: log}, nil
}
