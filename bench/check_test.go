package bench_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/proto"

	"sluice"
	"sluice/bench"
	"sluice/gen/msg"
	"sluice/internal/testenv"
)

// schema is what the checker reads, without the keys that keep faults out.
const schema = `
	CREATE SCHEMA data;
	CREATE SCHEMA sluice;
	CREATE TABLE data.facility (facility_id int PRIMARY KEY, name text NOT NULL);
	CREATE TABLE data.sensor (entry_id bigint, facility_id int, device varchar(64) COLLATE "C", temp real, rh real, epoch bigint);
	CREATE TABLE sluice.entry_counter (facility_id int PRIMARY KEY, last_id bigint NOT NULL);
	INSERT INTO data.facility VALUES (1, 'other'), (7, 'plant-1');
	INSERT INTO sluice.entry_counter VALUES (1, 0), (7, 5)`

// sink stores what comes on the topic, batch by batch, as a router would.
type sink struct {
	pool   *pgxpool.Pool
	change func(i int, r *msg.SensorData) (copies int) // nil: none

	mu       sync.Mutex // guards the rest
	received []*msg.SensorData
	stored   int
}

func newPool(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func execute(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// startSink subscribes and stores every 20 ms until the test ends.
func startSink(t *testing.T, addr string, s *sink) {
	t.Helper()
	subscribe(t, addr, "data/sensor", func(_ string, payload []byte) {
		r := &msg.SensorData{}
		if err := proto.Unmarshal(payload, r); err != nil {
			t.Errorf("payload: %v", err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.received = append(s.received, r)
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if err := s.flush(ctx); err != nil && ctx.Err() == nil {
					t.Errorf("store: %v", err)
				}
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func (s *sink) flush(ctx context.Context) error {
	s.mu.Lock()
	batch := s.received
	s.received = nil
	s.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		var id int64
		if err := tx.QueryRow(ctx, `SELECT last_id FROM sluice.entry_counter WHERE facility_id = 7 FOR UPDATE`).Scan(&id); err != nil {
			return err
		}
		var rows [][]any
		for _, r := range batch {
			copies := 1
			if s.change != nil {
				copies = s.change(s.stored, r)
			}
			s.stored++
			for range copies {
				id++
				rows = append(rows, []any{id, 7, r.Device, r.Temp, r.Rh, r.Epoch})
			}
		}
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"data", "sensor"},
			[]string{"entry_id", "facility_id", "device", "temp", "rh", "epoch"}, pgx.CopyFromRows(rows))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE sluice.entry_counter SET last_id = $1 WHERE facility_id = 7`, id)
		return err
	})
}

// start begins a run's servers and its sink.
func start(t *testing.T, change func(int, *msg.SensorData) int) (bench.Config, *pgxpool.Pool) {
	t.Helper()
	broker, dsn := testenv.Mosquitto(t), testenv.Database(t)
	pool := newPool(t, dsn)
	execute(t, pool, schema)
	startSink(t, broker.Addr(), &sink{pool: pool, change: change})
	return bench.Config{
		Address: broker.Addr(), Database: dsn, Facility: "plant-1",
		Devices: 10, Messages: 3_000, Stall: time.Second,
	}, pool
}

func TestBench_FindsAllRows(t *testing.T) {
	t.Parallel()
	cfg, pool := start(t, nil)
	execute(t, pool, `INSERT INTO data.sensor SELECT i, 7, 'bench-0001', 1, 1, 1 FROM generate_series(1, 5) i`) // not of the run
	r := run(t, cfg)
	if !r.OK() || r.Rows.Found != 3000 || r.Rows.Expected != 3000 {
		t.Fatalf("got %+v, want 3000 rows found", r.Rows)
	}
	if diff := cmp.Diff(&bench.IDs{First: 6, Last: 3005}, r.Rows.IDs); diff != "" {
		t.Errorf("entry ids (-want +got):\n%s", diff)
	}
	if l := r.RowLatency; l == nil || l.Count != 3000 || l.P50 <= 0 || l.Max > 60_000 {
		t.Errorf("got row latency %+v, want 3000 samples", l)
	}

	// A second run finds only its own rows.
	cfg.Rate, cfg.Messages = 2000, 1000
	r = run(t, cfg)
	if !r.OK() || r.Rows.Found != 1000 || r.Rows.IDs.First != 3006 {
		t.Errorf("second run: got %+v, want 1000 rows from id 3006", r.Rows)
	}
	checkReport(t, r)
}

// checkReport wants the result in both of its forms.
func checkReport(t *testing.T, r *bench.Result) {
	t.Helper()
	var table strings.Builder
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"1000 of 1000", "0 missing, 0 duplicate, 0 wrong", "publish to row", "bench", "\nok\n"} {
		if !strings.Contains(table.String(), part) {
			t.Errorf("the table lacks %q:\n%s", part, table.String())
		}
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back bench.Result
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, &back); diff != "" {
		t.Errorf("result after JSON (-want +got):\n%s", diff)
	}
}

func TestBench_DetectsFaults(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(i int, r *msg.SensorData) int
		want   bench.Rows // without examples, ids and times
	}{
		"missing": {
			change: func(i int, _ *msg.SensorData) int {
				if i%1000 == 17 {
					return 0
				}
				return 1
			},
			want: bench.Rows{Found: 2997, Missing: 3},
		},
		"duplicate": {
			change: func(i int, _ *msg.SensorData) int {
				if i == 1234 {
					return 3
				}
				return 1
			},
			want: bench.Rows{Found: 3000, Duplicate: 2},
		},
		"wrong temperature": {
			change: func(i int, r *msg.SensorData) int {
				if i == 5 {
					r.Temp += 1. / 128
				}
				return 1
			},
			want: bench.Rows{Found: 3000, Wrong: 1},
		},
		"humidity of another": {
			change: func(i int, r *msg.SensorData) int {
				if i == 2999 {
					r.Rh = -r.Rh
				}
				return 1
			},
			want: bench.Rows{Found: 3000, Wrong: 1},
		},
		"epoch of another run": {
			change: func(i int, r *msg.SensorData) int {
				if i == 0 {
					r.Epoch -= 100_000
				}
				return 1
			},
			want: bench.Rows{Found: 2999, Missing: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, _ := start(t, tc.change)
			r := run(t, cfg)
			if r.OK() {
				t.Error("the result is OK")
			}
			got := bench.Rows{Found: r.Rows.Found, Missing: r.Rows.Missing, Duplicate: r.Rows.Duplicate, Wrong: r.Rows.Wrong}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if len(r.Rows.Examples) != 1 {
				t.Errorf("got examples %v, want some of one kind", r.Rows.Examples)
			}
		})
	}
}

func TestBench_SurvivesARestartOfTheDatabase(t *testing.T) {
	t.Parallel()
	broker, server := testenv.Mosquitto(t), testenv.Postgres(t)
	pool := newPool(t, server.URL())
	execute(t, pool, schema)
	subscribed := make(chan struct{})
	once := sync.OnceFunc(func() { close(subscribed) })
	var mu sync.Mutex // guards received
	var received []*msg.SensorData
	subscribe(t, broker.Addr(), "data/sensor", func(_ string, payload []byte) {
		r := &msg.SensorData{}
		if err := proto.Unmarshal(payload, r); err != nil {
			t.Errorf("payload: %v", err)
		}
		mu.Lock()
		received = append(received, r)
		mu.Unlock()
		once()
	})
	b, err := bench.New(bench.Config{
		Address: broker.Addr(), Database: server.URL(), Facility: "plant-1", Devices: 5, Messages: 1000, Rate: 1000,
	})
	if err != nil {
		t.Fatal(err)
	}
	type outcome struct {
		r   *bench.Result
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		r, err := b.Run(t.Context())
		done <- outcome{r, err}
	}()
	<-subscribed
	server.Kill()
	server.Start()
	testenv.Eventually(t, 30*time.Second, func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(received) < 1000 {
			return context.DeadlineExceeded
		}
		return nil
	})
	s := &sink{pool: newPool(t, server.URL()), received: received}
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.err != nil || !got.r.OK() || got.r.Rows.Found != 1000 {
		t.Errorf("got %+v, %v", got.r, got.err)
	}
}

func TestBench_UnknownFacility(t *testing.T) {
	t.Parallel()
	dsn := testenv.Database(t)
	execute(t, newPool(t, dsn), schema)
	b, err := bench.New(bench.Config{Address: "127.0.0.1:1", Database: dsn, Facility: "nowhere"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Run(t.Context()); err == nil || !strings.Contains(err.Error(), `facility "nowhere" is not in the database`) {
		t.Errorf("got error %v", err)
	}
}

// onceIn returns a bench.Once that skips batches it has seen, as a database does.
func onceIn(pool *pgxpool.Pool) bench.Once {
	var mu sync.Mutex
	applied := map[sluice.BatchID]bool{}
	return func(ctx context.Context, b *sluice.Batch, fn func(context.Context, pgx.Tx) error) error {
		mu.Lock()
		seen := applied[b.ID]
		mu.Unlock()
		if seen {
			return nil
		}
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return fn(ctx, tx) })
		if err == nil {
			mu.Lock()
			applied[b.ID] = true
			mu.Unlock()
		}
		return err
	}
}

func TestBench_KeylessCountsEveryNumber(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault  func(i int) int // copies of message i; -1: another number
		want   bench.Rows
		wantOK bool
	}{
		"all":       {func(int) int { return 1 }, bench.Rows{Found: 300}, true},
		"missing":   {func(i int) int { return min(i, 1) }, bench.Rows{Found: 299, Missing: 1}, false},
		"duplicate": {func(i int) int { return 1 + i/299 }, bench.Rows{Found: 300, Duplicate: 1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker, dsn := testenv.Mosquitto(t), testenv.Database(t)
			counter := bench.NewCounter(onceIn(newPool(t, dsn)))
			messages := 0
			subscribe(t, broker.Addr(), "bench/keyless", func(topic string, payload []byte) {
				b := &sluice.Batch{ID: sluice.NewBatchID(), Route: topic}
				for range tc.fault(messages) {
					b.Messages = append(b.Messages, sluice.Message{Topic: topic, Payload: payload})
				}
				messages++
				for range 2 { // the second attempt changes nothing
					if err := counter.Handle(t.Context(), b); err != nil && t.Context().Err() == nil {
						t.Errorf("handle: %v", err)
					}
				}
			})
			r := run(t, bench.Config{
				Address: broker.Addr(), Database: dsn, Devices: 7, Messages: 300, Keyless: true, Stall: 3 * time.Second,
			})
			got := bench.Rows{Found: r.Rows.Found, Missing: r.Rows.Missing, Duplicate: r.Rows.Duplicate, Wrong: r.Rows.Wrong}
			if diff := cmp.Diff(tc.want, got); diff != "" || r.OK() != tc.wantOK {
				t.Errorf("OK is %v; rows (-want +got):\n%s", r.OK(), diff)
			}
		})
	}
}

func TestCounter_BadPayloadsAreDeadLetters(t *testing.T) {
	t.Parallel()
	pool := newPool(t, testenv.Database(t))
	good := append(make([]byte, 7), 5, 0, 0, 0, 0, 0, 0, 0, 9)
	b := &sluice.Batch{ID: sluice.NewBatchID(), Messages: []sluice.Message{{}, {Payload: good}, {Payload: good[1:]}}}
	err := bench.NewCounter(onceIn(pool)).Handle(t.Context(), b)
	want := &sluice.BatchError{Bad: []sluice.BadMessage{
		{Index: 0, Reason: sluice.ReasonDecode, Detail: "payload of 0 bytes, want 16"},
		{Index: 2, Reason: sluice.ReasonDecode, Detail: "payload of 15 bytes, want 16"},
	}}
	if diff := cmp.Diff(error(want), err); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	var run, number int64
	if err := pool.QueryRow(t.Context(), `SELECT run, number FROM bench.keyless`).Scan(&run, &number); err != nil || run != 5 || number != 9 {
		t.Errorf("got %d, %d, %v; want run 5, number 9", run, number, err)
	}
}

// Two counters that make the table at the same moment both succeed.
func TestCounter_TableIsMadeOnce(t *testing.T) {
	t.Parallel()
	pool := newPool(t, testenv.Database(t))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			b := &sluice.Batch{ID: sluice.NewBatchID(), Messages: []sluice.Message{{Payload: make([]byte, 16)}}}
			if err := bench.NewCounter(onceIn(pool)).Handle(t.Context(), b); err != nil {
				t.Errorf("handle: %v", err)
			}
		})
	}
	wg.Wait()
	var n int
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM bench.keyless`).Scan(&n); err != nil || n != 4 {
		t.Errorf("got %d rows, %v; want 4", n, err)
	}
}
