package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"sluice/api"
	"sluice/app"
	"sluice/gen/sluicev1"
	"sluice/internal/testenv"
	"sluice/store/postgres"
)

func TestMain(m *testing.M) {
	if text, ok := os.LookupEnv(envServer); ok {
		os.Exit(serveAs(text))
	}
	goleak.VerifyTestMain(m)
}

const epoch0 = 1_700_000_000 // of the first reading

// newDatabase returns a pool on a migrated database with n readings of each
// facility, the first plant-1.
func newDatabase(t testing.TB, url string, n int, facilities ...string) *pgxpool.Pool {
	t.Helper()
	if _, _, err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	pool, err := postgres.NewPool(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	for _, name := range facilities {
		id, err := postgres.Facility(t.Context(), pool, name)
		if err != nil {
			t.Fatal(err)
		}
		exec(t, pool, `INSERT INTO data.sensor SELECT i, $1, 'dev-' || i % 7, i, 50, $3::bigint + i FROM generate_series(1, $2::int) i`, id, n, epoch0)
	}
	return pool
}

func exec(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// server is an api that runs in this process.
type server struct {
	addr string
	stop func() error // ends it and waits
}

// start runs an api on pool until the test ends.
func start(t testing.TB, pool *pgxpool.Pool, c api.Config) *server {
	t.Helper()
	c.Store, c.Unavailable = app.APIStore(pool), postgres.Unavailable
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- api.New(c).Serve(ctx, l); close(done) }()
	s := &server{addr: l.Addr().String(), stop: func() error { cancel(); return <-done }}
	t.Cleanup(func() { _ = s.stop() })
	return s
}

// dial returns a connection without TLS.
func (s *server) dial(t testing.TB) *grpc.ClientConn {
	t.Helper()
	return dial(t, s.addr, insecure.NewCredentials())
}

func dial(t testing.TB, addr string, creds credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// newClient returns a client of an api without TLS, on a fresh database.
func newClient(t testing.TB, n int, facilities ...string) (sluicev1.SluiceServiceClient, *grpc.ClientConn, *pgxpool.Pool) {
	t.Helper()
	pool := newDatabase(t, testenv.Database(t), n, facilities...)
	conn := start(t, pool, api.Config{}).dial(t)
	return sluicev1.NewSluiceServiceClient(conn), conn, pool
}

// wantNoneAcquired checks that nobody reads the database. A connection that was cut
// leaves the pool a moment later.
func wantNoneAcquired(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	testenv.Eventually(t, within, func() error {
		if n := pool.Stat().AcquiredConns(); n != 0 {
			return fmt.Errorf("%d connections are in use after the end", n)
		}
		return nil
	})
}

// wantCode checks the code of an error.
func wantCode(t testing.TB, what string, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

// drain reads a stream to its end and returns its messages and its error, nil for
// OK.
func drain[T any](stream grpc.ServerStreamingClient[T]) (all []*T, err error) {
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, m)
	}
}

// openAndDrain is drain for what opens a stream: refusal may come there already.
func openAndDrain[T any](stream grpc.ServerStreamingClient[T], err error) ([]*T, error) {
	if err != nil {
		return nil, err
	}
	return drain(stream)
}

// within bounds what must not take long, on a busy machine too.
const within = 30 * time.Second
