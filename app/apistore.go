package app

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/api"
	"sluice/gen/sluicev1"
	"sluice/store"
	"sluice/store/postgres"
)

// APIStore returns what the api reads from, on pool.
func APIStore(pool *pgxpool.Pool) api.Store {
	return apiStore[*postgres.SensorReader]{postgres.NewQueries(pool)}
}

// queries are those of a store whose readers are of type R.
type queries[R api.SensorReader] interface {
	api.ChangeStore

	Facilities(ctx context.Context) (map[int32]string, error)
	LastEntries(ctx context.Context) (map[int32]int64, error)
	Sensor(q store.SensorQuery) R
	Buckets(ctx context.Context, q store.AggregateQuery) ([]*sluicev1.SensorBucket, bool, error)
	Devices(ctx context.Context, q store.DeviceQuery) ([]*sluicev1.Device, error)
	Outages(ctx context.Context, q store.OutageQuery) ([]*sluicev1.Outage, error)
	Routes(ctx context.Context, q store.RouteQuery) ([]*sluicev1.Route, error)
	DeadLetters(ctx context.Context, q store.DeadQuery) ([]*sluicev1.DeadLetter, bool, error)
}

// apiStore says of which kind the readers of a store are.
type apiStore[R api.SensorReader] struct{ queries[R] }

// Sensor implements api.Store.
func (s apiStore[R]) Sensor(q store.SensorQuery) api.SensorReader { return s.queries.Sensor(q) }
