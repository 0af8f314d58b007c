package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"sluice"
	"sluice/api"
	"sluice/app"
	"sluice/gen/msg"
	"sluice/gen/sluicev1"
	"sluice/internal/process"
	"sluice/internal/testenv"
	"sluice/store/postgres"
)

// envServer holds the settings of an api; where it is set, this process is one.
const envServer = "API_TEST_SERVER"

type serverSettings struct{ Database, Address string }

// serveAs is an api until SIGTERM; it returns the exit status.
func serveAs(text string) int {
	process.DieWithParent()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var s serverSettings
	err := json.Unmarshal([]byte(text), &s)
	if err == nil {
		err = s.serve(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (s serverSettings) serve(ctx context.Context) error {
	pool, err := postgres.NewPool(ctx, s.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.Address)
	if err != nil {
		return err
	}
	server := api.New(api.Config{
		Store: app.APIStore(pool), Unavailable: postgres.Unavailable, Poll: 20 * time.Millisecond,
		Logger: slog.New(slog.NewJSONHandler(os.Stderr, nil)),
	})
	return server.Serve(ctx, l)
}

// quietAddress is one on which nobody listens, below the ports that the system
// gives to clients: one that tries again while the server is down might be given
// the server's own.
func quietAddress(t testing.TB) string {
	t.Helper()
	for range 1000 {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

// follower is a client that tails, and comes back with its token whenever the
// stream ends.
type follower struct {
	client sluicev1.SluiceServiceClient
	req    *sluicev1.TailSensorRowsRequest

	mu    sync.Mutex
	rows  map[int32][]sensorRow // by facility, as they came
	n     int
	calls int
	errs  []error
}

type sensorRow struct {
	Entry  int64
	Device string
	Temp   float32
	Epoch  int64
}

// newFollower returns one of the api at an address, which need not run yet.
func newFollower(t testing.TB, address string) *follower {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1, MaxDelay: 20 * time.Millisecond},
			MinConnectTimeout: within,
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &follower{
		client: sluicev1.NewSluiceServiceClient(conn), req: &sluicev1.TailSensorRowsRequest{}, rows: map[int32][]sensorRow{},
	}
}

// run follows until ctx ends.
func (f *follower) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := f.call(ctx)
		f.mu.Lock()
		f.calls++
		f.errs = append(f.errs, err)
		f.mu.Unlock()
	}
}

func (f *follower) call(ctx context.Context) error {
	stream, err := f.client.TailSensorRows(ctx, f.req, grpc.WaitForReady(true))
	if err != nil {
		return err
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		f.keep(m)
	}
}

func (f *follower) keep(m *sluicev1.TailSensorRowsResponse) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.req.ResumeToken = m.ResumeToken
	for i, id := range m.Chunk.GetEntryId() {
		f.rows[m.Chunk.FacilityId] = append(f.rows[m.Chunk.FacilityId], sensorRow{id, m.Chunk.Device[i], m.Chunk.Temp[i], m.Chunk.Epoch[i]})
		f.n++
	}
}

// await waits until the follower has n rows.
func (f *follower) await(t testing.TB, n int) (has int) {
	t.Helper()
	testenv.Eventually(t, process.Patience, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if has = f.n; has < n {
			return fmt.Errorf("got %d rows, want %d; %d calls, %v", f.n, n, f.calls, f.errs)
		}
		return nil
	})
	return has
}

// write stores batches of 1 to 300 readings through the sink until ctx ends, or
// there are many.
func write(ctx context.Context, pool *pgxpool.Pool, facility int32) error {
	sink := postgres.NewSensor(pool, facility, postgres.SensorConfig{})
	for n := 0; ctx.Err() == nil && n < 500_000; {
		b := &sluice.Batch{ID: sluice.NewBatchID(), Route: "data/sensor", Attempt: 1}
		for range 1 + rand.IntN(300) {
			n++
			epoch := int64(epoch0 + 1_000_000 + n) // after those that are stored
			payload, err := proto.Marshal(&msg.SensorData{Device: fmt.Sprint("dev-", n%50), Temp: float32(n), Rh: 50, Epoch: epoch})
			if err != nil {
				return err
			}
			b.Messages = append(b.Messages, sluice.Message{Topic: "data/sensor", Payload: payload, Received: time.Unix(epoch, 0)})
		}
		if err := sink.Handle(context.WithoutCancel(ctx), b); err != nil {
			return err
		}
	}
	return nil
}

// While rows of three facilities are stored, the api is restarted three times on
// its address, killed twice: a client that goes on with its token has every row
// exactly once and in order.
func TestTailSensorRows_APIRestartedUnderLoad_EveryRowOnceInOrder(t *testing.T) {
	t.Parallel()
	url := testenv.Database(t)
	facilities := []string{"plant-1", "plant-2", "plant-3"}
	pool := newTailed(t, url, 2000, facilities...)
	settings := serverSettings{Database: url, Address: quietAddress(t)}
	f := newFollower(t, settings.Address)

	var followers, writers sync.WaitGroup
	defer followers.Wait()
	following, endFollower := context.WithCancel(t.Context())
	defer endFollower()
	followers.Go(func() { f.run(following) })
	defer writers.Wait()
	writing, endWriters := context.WithCancel(t.Context())
	defer endWriters()
	for i := range facilities {
		writers.Go(func() {
			if err := write(writing, pool, int32(i+1)); err != nil {
				t.Error(err)
			}
		})
	}
	restart(t, settings, f)
	endWriters()
	writers.Wait()
	f.await(t, stored(t, pool, ""))
	for i := range facilities {
		f.check(t, pool, int32(i+1))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	t.Logf("%d rows in %d calls, %v", f.n, f.calls+1, f.errs)
	if f.calls < 3 {
		t.Errorf("got %d calls that ended, want 3 restarts to be felt", f.calls)
	}
}

// restart runs the api four times, each until the follower has 2000 rows more.
func restart(t testing.TB, settings serverSettings, f *follower) {
	t.Helper()
	text := string(must(json.Marshal(settings)))
	for _, end := range []func(*process.Process){
		(*process.Process).Kill,
		func(p *process.Process) { p.Terminate() },
		(*process.Process).Kill,
	} {
		p := process.Start(t, envServer, text)
		f.await(t, f.await(t, 0)+2000)
		end(p)
	}
	process.Start(t, envServer, text)
	f.await(t, f.await(t, 0)+2000)
}

// stored counts the rows that a condition holds for.
func stored(t testing.TB, pool *pgxpool.Pool, where string, args ...any) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM data.sensor "+where, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// check compares what came of a facility, in the order in which it came, with what
// is stored.
func (f *follower) check(t testing.TB, pool *pgxpool.Pool, facility int32) {
	t.Helper()
	rows, err := pool.Query(t.Context(), "SELECT entry_id, device, temp, epoch FROM data.sensor WHERE facility_id = $1 ORDER BY entry_id", facility)
	if err != nil {
		t.Fatal(err)
	}
	want, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sensorRow])
	if err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if got := f.rows[facility]; !slices.Equal(got, want) {
		t.Errorf("facility %d: got %d rows, want %d (-want +got):\n%.2000s", facility, len(got), len(want), cmp.Diff(want, got))
	}
}
