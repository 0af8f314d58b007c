package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Queries answers readers from the database. Every method is one or more short
// statements, each outside a transaction, so nothing is held between two pages.
// What it returns are messages of sluice.v1. Safe for concurrent use.
type Queries struct {
	pool *pgxpool.Pool
}

// NewQueries returns the queries on pool.
func NewQueries(pool *pgxpool.Pool) *Queries { return &Queries{pool: pool} }

// planned has a statement planned for its very arguments: a page after a rare
// device needs another plan than one after all.
const planned = pgx.QueryExecModeCacheDescribe

// Facilities returns the names of all facilities by their numbers.
func (q *Queries) Facilities(ctx context.Context) (map[int32]string, error) {
	rows, _ := q.pool.Query(ctx, "SELECT facility_id, name FROM data.facility")
	names := map[int32]string{}
	var id int32
	var name string
	_, err := pgx.ForEachRow(rows, []any{&id, &name}, func() error {
		names[id] = name
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read facilities: %w", err)
	}
	return names, nil
}

// Unavailable reports whether err means that the database is away or refuses
// work for now: the same call may succeed later.
func Unavailable(err error) bool {
	c, pg := classify(err)
	if pg != nil {
		return c == transient
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// stamp is t as the API gives it; nil for none.
func stamp(t *time.Time) *timestamppb.Timestamp {
	if t == nil {
		return nil
	}
	return timestamppb.New(*t)
}
