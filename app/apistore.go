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

// apiStore says the queries of a store in the words of api.
type apiStore[R api.SensorReader] struct{ queries[R] }

// Sensor implements api.Store.
func (s apiStore[R]) Sensor(q api.SensorQuery) api.SensorReader {
	return s.queries.Sensor(store.SensorQuery(q))
}

// Buckets implements api.Store.
func (s apiStore[R]) Buckets(ctx context.Context, q api.AggregateQuery) ([]*sluicev1.SensorBucket, bool, error) {
	return s.queries.Buckets(ctx, store.AggregateQuery(q))
}

// Devices implements api.Store.
func (s apiStore[R]) Devices(ctx context.Context, q api.DeviceQuery) ([]*sluicev1.Device, error) {
	return s.queries.Devices(ctx, store.DeviceQuery(q))
}

// Outages implements api.Store.
func (s apiStore[R]) Outages(ctx context.Context, q api.OutageQuery) ([]*sluicev1.Outage, error) {
	return s.queries.Outages(ctx, store.OutageQuery(q))
}

// Routes implements api.Store.
func (s apiStore[R]) Routes(ctx context.Context, q api.RouteQuery) ([]*sluicev1.Route, error) {
	return s.queries.Routes(ctx, store.RouteQuery(q))
}

// DeadLetters implements api.Store.
func (s apiStore[R]) DeadLetters(ctx context.Context, q api.DeadQuery) ([]*sluicev1.DeadLetter, bool, error) {
	return s.queries.DeadLetters(ctx, store.DeadQuery(q))
}
