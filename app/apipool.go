package app

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"sluice/store/postgres"
)

// openPool returns the pool of an api: sessions that cannot write, whose slow
// statements are logged and counted.
func (s *API) openPool(ctx context.Context, registry prometheus.Registerer) (*pgxpool.Pool, error) {
	count := prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "sluice", Name: "api_slow_queries_total", Help: "Statements that took longer than api.slow_query.",
	})
	registry.MustRegister(count)
	slow := postgres.SlowLog{Over: s.config.API.SlowQuery, Logger: s.log, Count: count.Inc}
	return postgres.NewPool(ctx, s.config.Store.Postgres.DSN().Reveal(), postgres.ReadOnly, slow.Watch)
}
