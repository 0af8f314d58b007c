package postgres

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/proto"

	"sluice"
	"sluice/gen/msg"
	"sluice/internal/testenv"
)

const epoch0 = 1_700_000_000 // of the first test reading

// newDatabase returns a pool on a fresh, migrated database.
func newDatabase(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return migrated(t, testenv.Database(t))
}

func migrated(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	if _, _, err := Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	return newPool(t, url)
}

func newPool(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := NewPool(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// newSink returns a sensor sink on a fresh database, and its pool.
func newSink(t testing.TB) (*Sensor, *pgxpool.Pool) {
	t.Helper()
	pool := newDatabase(t)
	return sinkOf(t, pool, SensorConfig{}), pool
}

func sinkOf(t testing.TB, pool *pgxpool.Pool, c SensorConfig) *Sensor {
	t.Helper()
	id, err := Facility(t.Context(), pool, "plant-1")
	if err != nil {
		t.Fatal(err)
	}
	return NewSensor(pool, id, c)
}

// payload encodes a reading by the generated code.
func payload(device string, epoch int64, temp, rh float32) []byte {
	p, err := proto.Marshal(&msg.SensorData{Device: device, Temp: temp, Rh: rh, Epoch: epoch})
	if err != nil {
		panic(err)
	}
	return p
}

// message wraps a payload, received a second after epoch0.
func message(payload []byte) sluice.Message {
	return sluice.Message{Topic: "data/sensor", Payload: payload, Received: time.Unix(epoch0+1, 0)}
}

func newBatch(payloads ...[]byte) *sluice.Batch {
	b := &sluice.Batch{ID: sluice.NewBatchID(), Route: "data/sensor", Attempt: 1}
	for _, p := range payloads {
		b.Messages = append(b.Messages, message(p))
	}
	return b
}

// readings is a batch of n distinct readings of one device, from epoch on.
func readings(device string, epoch int64, n int) *sluice.Batch {
	b := newBatch()
	for i := range n {
		b.Messages = append(b.Messages, message(payload(device, epoch+int64(i), 20, 50)))
	}
	return b
}

// wantOutcome checks what a handler returned for a batch that is done.
func wantOutcome(t testing.TB, got error, duplicates int, bad ...sluice.BadMessage) {
	t.Helper()
	if duplicates == 0 && len(bad) == 0 {
		if got != nil {
			t.Fatalf("got %v, want nil", got)
		}
		return
	}
	var e *sluice.BatchError
	if !errors.As(got, &e) {
		t.Fatalf("got %v, want a BatchError", got)
	}
	if e.Duplicates != duplicates {
		t.Errorf("got %d duplicates, want %d", e.Duplicates, duplicates)
	}
	var short []sluice.BadMessage
	for _, b := range e.Bad {
		b.Detail = ""
		short = append(short, b)
	}
	if diff := cmp.Diff(bad, short); diff != "" {
		t.Errorf("bad messages (-want +got):\n%s", diff)
	}
}

// haltError is what sluice.Halt returns: the engine finds it by errors.As.
var haltType = fmt.Sprintf("%T", sluice.Halt(errors.New("")))

func isHalt(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if fmt.Sprintf("%T", err) == haltType {
			return true
		}
	}
	return false
}

func exec(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// query returns the one value that sql gives.
func query[T any](t testing.TB, pool *pgxpool.Pool, sql string, args ...any) (v T) {
	t.Helper()
	if err := pool.QueryRow(context.WithoutCancel(t.Context()), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// wantRows checks the number of readings, and that entry ids have no gap.
func wantRows(t testing.TB, pool *pgxpool.Pool, want int) {
	t.Helper()
	if got := query[int](t, pool, "SELECT count(*) FROM data.sensor"); got != want {
		t.Errorf("got %d rows, want %d", got, want)
	}
	if top := query[int](t, pool, "SELECT coalesce(max(entry_id), 0) FROM data.sensor"); top != want {
		t.Errorf("got highest entry id %d, want %d", top, want)
	}
	if last := query[int](t, pool, "SELECT last_id FROM sluice.entry_counter"); last != want {
		t.Errorf("got counter %d, want %d", last, want)
	}
}
