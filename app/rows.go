package app

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice"
	"sluice/api"
	"sluice/store"
	"sluice/store/postgres"
	"sluice/store/sqlite"
)

// rowStore is where rows, devices and dead letters go. Safe for concurrent use.
type rowStore interface {
	// open checks the schema and registers the facility. What an operator must mend is
	// an error of sluice.Halt.
	open(ctx context.Context, facility string) (Database, error)
	// unfit tells that an error of open is of a schema that this program cannot use.
	unfit(err error) bool
	ping(ctx context.Context) error
	// failure says what becomes of a batch because of an error of open.
	failure(attempt int, err error) error
	devices(db Database) sluice.Handler
	dead(db Database) sluice.Handler
	writeStatus(ctx context.Context, facility int32, routes []store.RouteStatus) error
	// prune removes applied batches, and dead letters older than keep.
	prune(ctx context.Context, facility int32, keep time.Duration) (removed int64, err error)
	getDead(ctx context.Context, ids ...int64) ([]store.StoredDead, error)
	dropDead(ctx context.Context, ids ...int64) (int64, error)
}

// readStore is what the api reads from.
type readStore struct {
	api.Store
	// unavailable tells that the database does not answer.
	unavailable func(error) bool
	checks      []check
}

// postgresRows keeps rows in PostgreSQL.
type postgresRows struct{ pool *pgxpool.Pool }

func (s postgresRows) open(ctx context.Context, facility string) (Database, error) {
	if err := postgres.CheckVersion(ctx, s.pool); err != nil {
		if s.unfit(err) {
			err = sluice.Halt(err)
		}
		return Database{}, err
	}
	id, err := postgres.Facility(ctx, s.pool, facility)
	return Database{Pool: s.pool, Facility: id, Name: facility}, err
}

func (s postgresRows) unfit(err error) bool {
	return errors.Is(err, postgres.ErrSchemaOlder) || errors.Is(err, postgres.ErrSchemaNewer)
}

func (s postgresRows) ping(ctx context.Context) error { return s.pool.Ping(ctx) }

func (s postgresRows) failure(attempt int, err error) error { return postgres.Failure(attempt, err) }

func (s postgresRows) devices(db Database) sluice.Handler {
	return postgres.NewDevices(db.Pool, db.Facility)
}

func (s postgresRows) dead(db Database) sluice.Handler {
	return postgres.NewDead(db.Pool, db.Facility)
}

func (s postgresRows) writeStatus(ctx context.Context, facility int32, routes []store.RouteStatus) error {
	return postgres.WriteRouteStatus(ctx, s.pool, facility, routes)
}

func (s postgresRows) prune(ctx context.Context, facility int32, keep time.Duration) (int64, error) {
	return postgres.Prune(ctx, s.pool, facility, keep)
}

func (s postgresRows) getDead(ctx context.Context, ids ...int64) ([]store.StoredDead, error) {
	return postgres.GetDead(ctx, s.pool, ids...)
}

func (s postgresRows) dropDead(ctx context.Context, ids ...int64) (int64, error) {
	return postgres.DropDead(ctx, s.pool, ids...)
}

// sqliteRows keeps rows in a file.
type sqliteRows struct{ *sqlite.Store }

func (s sqliteRows) open(ctx context.Context, facility string) (Database, error) {
	id, err := s.Facility(ctx, facility)
	return Database{SQLite: s.Store, Facility: id, Name: facility}, err
}

// unfit: Open has looked already.
func (s sqliteRows) unfit(error) bool { return false }

func (s sqliteRows) ping(ctx context.Context) error { return s.Ping(ctx) }

func (s sqliteRows) failure(attempt int, err error) error { return sqlite.Failure(attempt, err) }

func (s sqliteRows) devices(db Database) sluice.Handler {
	return sqlite.NewDevices(s.Store, db.Facility)
}

func (s sqliteRows) dead(db Database) sluice.Handler { return sqlite.NewDead(s.Store, db.Facility) }

func (s sqliteRows) writeStatus(ctx context.Context, facility int32, routes []store.RouteStatus) error {
	return s.WriteRouteStatus(ctx, facility, routes)
}

func (s sqliteRows) prune(ctx context.Context, facility int32, keep time.Duration) (int64, error) {
	return s.Prune(ctx, facility, keep)
}

func (s sqliteRows) getDead(ctx context.Context, ids ...int64) ([]store.StoredDead, error) {
	return s.GetDead(ctx, ids...)
}

func (s sqliteRows) dropDead(ctx context.Context, ids ...int64) (int64, error) {
	return s.DropDead(ctx, ids...)
}
