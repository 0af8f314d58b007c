package app

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"sluice/api"
	"sluice/config"
	"sluice/store/postgres"
)

// APIConfig is what the api reads of the configuration.
func APIConfig() []config.Option {
	return []config.Option{config.Only("store", "api", "metrics", "shutdown_timeout")}
}

// API is the service that readers call.
type API struct {
	config *config.Config
	log    *slog.Logger
}

// NewAPI wires the service and starts nothing.
func NewAPI(c *config.Config, log *slog.Logger) *API { return &API{config: c, log: log} }

// Run serves until ctx ends, then returns nil when all calls have ended. It
// returns an error for what no retry mends: an address in use, a certificate that
// cannot be used. A database that is away is an error of the calls and of
// /readyz. Call it once.
func (s *API) Run(ctx context.Context) error {
	closing := teardown{log: s.log}
	defer closing.run()
	registry := newRegistry()
	ends(registry, s.config.API.TLS.Cert, s.config.Store.Postgres.Cert)
	pool, err := s.openPool(ctx, registry)
	if err != nil {
		return err
	}
	closing.add("database", func() error { pool.Close(); return nil })
	return s.work(ctx, registry, readStore{APIStore(pool), postgres.Unavailable, apiChecks(pool)})
}

// work answers calls until ctx ends.
func (s *API) work(ctx context.Context, registry *prometheus.Registry, rows readStore) error {
	server, err := s.server(rows, registry)
	if err != nil {
		return err
	}
	l, err := s.listen(ctx)
	if err != nil {
		return err
	}
	side, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	g, ctx := errgroup.WithContext(ctx)
	if l.pages != nil {
		g.Go(func() error { return serveHTTP(side, l.pages, healthMux(registry, rows.checks)) })
	}
	g.Go(func() error {
		defer end()
		return s.serve(ctx, server, l)
	})
	return g.Wait()
}

func (s *API) server(rows readStore, registry *prometheus.Registry) (*api.Server, error) {
	c := api.Config{
		Store: rows.Store, Unavailable: rows.unavailable, Observe: observeAPI(registry),
		ShutdownTimeout: s.config.ShutdownTimeout, MaxStreams: s.config.API.MaxStreams, Logger: s.log,
	}
	if t := s.config.API.TLS; t.Given() {
		var err error
		if c.TLS, err = api.ServerTLS(t.Cert, t.Key, t.ClientCA, s.log); err != nil {
			return nil, fmt.Errorf("api.tls: %w", err)
		}
		c.Clients, c.Users = api.Clients{}, api.Users{}
		for _, client := range s.config.API.Clients {
			c.Clients[client.Name] = client.Facilities
		}
		for _, user := range s.config.API.HTTPUsers {
			c.Users[user.Name] = api.NewUser(user.Password.Reveal(), user.Facilities)
		}
	}
	server := api.New(c)
	gaugeOf(registry, "api_streams", "Streams that are open.", func() float64 { return float64(server.Streams()) })
	return server, nil
}

func apiChecks(pool *pgxpool.Pool) []check {
	return []check{
		{"database", pool.Ping},
		{"schema", func(ctx context.Context) error { return postgres.CheckVersion(ctx, pool) }},
	}
}

// observeAPI counts calls. The methods are those of the server itself: what is
// called by another name reaches no observer.
func observeAPI(reg prometheus.Registerer) func(api.Call) {
	calls := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "sluice", Name: "api_calls_total", Help: "Calls that have ended.",
	}, []string{"method", "code"})
	rows := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "sluice", Name: "api_rows_total", Help: "Readings sent.",
	}, []string{"method"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "sluice", Name: "api_call_seconds", Help: "Time from request to end; of a stream it depends on its reader.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9),
	}, []string{"method"})
	reg.MustRegister(calls, rows, seconds)
	return func(c api.Call) {
		calls.WithLabelValues(c.Method, c.Code.String()).Inc()
		seconds.WithLabelValues(c.Method).Observe(c.Took.Seconds())
		if c.Rows > 0 {
			rows.WithLabelValues(c.Method).Add(float64(c.Rows))
		}
	}
}
