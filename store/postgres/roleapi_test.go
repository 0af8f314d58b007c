package postgres_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"sluice/api"
	"sluice/app"
	"sluice/gen/service"
	"sluice/gen/sluicev1"
	"sluice/internal/testenv"
	"sluice/store/postgres"
)

func newPool(t *testing.T, address string, options ...postgres.PoolOption) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.NewPool(t.Context(), address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// newReader returns the URL of a migrated database with a row in every table, for
// a login that is in sluice_reader.
func newReader(t *testing.T) string {
	t.Helper()
	address := testenv.Database(t)
	if _, _, err := postgres.Migrate(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	admin := newPool(t, address)
	if err := postgres.GrantRoles(t.Context(), admin); err != nil {
		t.Fatal(err)
	}
	if _, err := postgres.Facility(t.Context(), admin, "plant-1"); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	login := "login_" + u.Path[1:] // roles are the cluster's, databases the tests'
	exec(t, admin, `INSERT INTO data.sensor SELECT i, 1, 'd1', 1, 1, 1700000000 + i FROM generate_series(1, 9) i`)
	exec(t, admin, `UPDATE sluice.entry_counter SET last_id = 9`)
	exec(t, admin, `CREATE ROLE `+login+` LOGIN IN ROLE sluice_reader`)
	t.Cleanup(func() { _, _ = admin.Exec(context.Background(), "DROP ROLE "+login) })
	u.User = url.User(login)
	return u.String()
}

// The methods are those of the contracts, so that a new one is called too.
func TestReader_APIServesEveryMethod(t *testing.T) {
	t.Parallel()
	pool := newPool(t, newReader(t), postgres.ReadOnly)
	if err := postgres.CheckVersion(t.Context(), pool); err != nil {
		t.Errorf("schema: %v", err)
	}
	conn := serve(t, pool)
	called := 0
	for _, file := range []protoreflect.FileDescriptor{sluicev1.File_api_proto, service.File_service_proto} {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				called++
				if err := call(t.Context(), conn, methods.Get(j)); err != nil {
					t.Errorf("%s: %v", methods.Get(j).FullName(), err)
				}
			}
		}
	}
	if called < 8 {
		t.Errorf("called %d methods", called)
	}
}

// serve runs an api on pool until the test ends.
func serve(t *testing.T, pool *pgxpool.Pool) *grpc.ClientConn {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := api.New(api.Config{Store: app.APIStore(pool), Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l) }()
	t.Cleanup(func() { cancel(); <-done })
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// call sends an empty request and reads the first two answers: of a tail, the
// second one has what is stored.
func call(ctx context.Context, conn *grpc.ClientConn, m protoreflect.MethodDescriptor) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	name := "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: m.IsStreamingServer()}, name)
	if err != nil {
		return err
	}
	if err := errors.Join(stream.SendMsg(dynamicpb.NewMessage(m.Input())), stream.CloseSend()); err != nil {
		return err
	}
	for range 2 {
		err := stream.RecvMsg(dynamicpb.NewMessage(m.Output()))
		if errors.Is(err, io.EOF) || !m.IsStreamingServer() {
			return noEnd(err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func noEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// The login itself, without the api's read-only sessions.
