package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice"
	"sluice/config"
	"sluice/store/sqlite"
)

// Sinks are the handlers that a route of the configuration may name.
type Sinks map[string]Sink

// Sink says how a route's messages are handled.
type Sink struct {
	// New makes the handler. It is called once, when the database answers for the
	// first time.
	New func(db Database) sluice.Handler
	// Identify returns the device that a payload names (see sluice.Route). Nil: the
	// payloads name none.
	Identify func(payload []byte) []byte
}

// Database is what a sink writes to: one of Pool and SQLite is set.
type Database struct {
	Pool *pgxpool.Pool
	// SQLite is set in a `sluice up` that keeps its rows in its file.
	SQLite *sqlite.Store
	// Facility is the facility's number in data.facility, Name its name.
	Facility int32
	Name     string
}

// Names returns the names of the sinks, sorted.
func (s Sinks) Names() []string { return slices.Sorted(maps.Keys(s)) }

// newMux registers the routes of a configuration.
func newMux(routes []config.Route, sinks Sinks, db *lazyDatabase) (*sluice.Mux, error) {
	mux := sluice.NewMux()
	mux.WatchPresence()
	for i, r := range routes {
		sink, ok := sinks[r.Sink]
		if !ok {
			return nil, fmt.Errorf("routes[%d].sink: this program has no sink %q; it has %s", i, r.Sink, strings.Join(sinks.Names(), ", "))
		}
		mux.Add(sluice.Route{
			Topics: r.Topics, Policy: r.Batch.Policy(), Handler: db.handler(sink.New),
			Concurrency: r.Concurrency, MaxPayload: int(r.MaxPayload),
			SilentAfter: r.SilentAfter, Identify: sink.Identify,
		})
	}
	return mux, nil
}

// openTimeout bounds each attempt to open the database: one that has stopped
// answering must not hold up all who ask for it.
const openTimeout = 5 * time.Second

// lazyDatabase lets a router start, receive and queue while the database is
// away: the schema is checked and the facility registered as soon as it answers.
// Safe for concurrent use.
type lazyDatabase struct {
	rows     rowStore
	facility string

	mu sync.Mutex
	db *Database
}

func (l *lazyDatabase) get(ctx context.Context) (Database, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.db == nil {
		ctx, cancel := context.WithTimeout(ctx, openTimeout)
		defer cancel()
		db, err := l.rows.open(ctx, l.facility)
		if err != nil {
			return Database{}, err
		}
		l.db = &db
	}
	return *l.db, nil
}

// handler returns a sink's handler, made at its first batch.
func (l *lazyDatabase) handler(sink func(Database) sluice.Handler) sluice.Handler {
	var mu sync.Mutex
	var made sluice.Handler
	get := func(ctx context.Context) (sluice.Handler, error) {
		mu.Lock()
		defer mu.Unlock()
		if made != nil {
			return made, nil
		}
		db, err := l.get(ctx)
		if err != nil {
			return nil, err
		}
		made = sink(db)
		return made, nil
	}
	return sluice.HandlerFunc(func(ctx context.Context, b *sluice.Batch) error {
		h, err := get(ctx)
		if err != nil {
			return l.rows.failure(b.Attempt, err)
		}
		return h.Handle(ctx, b)
	})
}
