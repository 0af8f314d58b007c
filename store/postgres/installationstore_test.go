package postgres

import (
	"context"
	"testing"
	"time"

	"sluice"
	"sluice/store"
	"sluice/store/storetest"
)

// The whole suite, with every statement by the login that runs it in an installation:
// no privilege is lacking.
func TestLogins_ServeTheStore(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	storetest.Test(t, func(t testing.TB) storetest.Store {
		database := in.copied(t)
		owner := newPool(t, in.url(t, "migrator", database))
		// A sink's own tables are the business of who makes them.
		exec(t, owner, "ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT ON TABLES TO sluice_writer")
		reader, router := newPool(t, in.url(t, "api", database)), newPool(t, in.url(t, "router", database))
		return installed{target{NewQueries(reader), owner}, target{NewQueries(reader), reader}, target{nil, router}}
	})
}

// installed is a database as the suite drives it: the target that it embeds asks as
// api and changes what a test wants changed as migrator.
type installed struct {
	target

	reader, router target
}

func (s installed) Facility(ctx context.Context, name string) (int32, error) {
	return s.router.Facility(ctx, name)
}

func (s installed) NewSensor(facility int32, epochMin time.Time, epochAhead time.Duration) sluice.Handler {
	return s.router.NewSensor(facility, epochMin, epochAhead)
}

func (s installed) NewDevices(facility int32) sluice.Handler { return s.router.NewDevices(facility) }

func (s installed) NewDead(facility int32) sluice.Handler { return s.router.NewDead(facility) }

func (s installed) Once(ctx context.Context, b *sluice.Batch, fn func(func(string) error) error) error {
	return s.router.Once(ctx, b, fn)
}

func (s installed) WriteRouteStatus(ctx context.Context, facility int32, routes []store.RouteStatus) error {
	return s.router.WriteRouteStatus(ctx, facility, routes)
}

func (s installed) Prune(ctx context.Context, facility int32, keep time.Duration) (int64, error) {
	return s.router.Prune(ctx, facility, keep)
}

// ListDead is the reader's, `sluice dead list`; the other two are also a replay's, which
// is the router's.
func (s installed) ListDead(ctx context.Context, f store.DeadFilter, before int64, limit int) ([]store.StoredDead, error) {
	return s.reader.ListDead(ctx, f, before, limit)
}

func (s installed) GetDead(ctx context.Context, ids ...int64) ([]store.StoredDead, error) {
	return s.router.GetDead(ctx, ids...)
}

func (s installed) DropDead(ctx context.Context, ids ...int64) (int64, error) {
	return s.router.DropDead(ctx, ids...)
}
