package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"sluice"
	"sluice/gen/msg"
	"sluice/store"
)

// Epoch is the time of the first reading of most tests, Unix seconds.
const Epoch = 1_700_000_000

// Payload encodes a reading by the generated code.
func Payload(device string, epoch int64, temp, rh float32) []byte {
	p, err := proto.Marshal(&msg.SensorData{Device: device, Temp: temp, Rh: rh, Epoch: epoch})
	if err != nil {
		panic(err)
	}
	return p
}

// Message wraps a payload, received a second after Epoch.
func Message(payload []byte) sluice.Message {
	return sluice.Message{Topic: "data/sensor", Payload: payload, Received: time.Unix(Epoch+1, 0)}
}

// Batch is a batch of the sensor route.
func Batch(payloads ...[]byte) *sluice.Batch {
	b := &sluice.Batch{ID: sluice.NewBatchID(), Route: "data/sensor", Attempt: 1}
	for _, p := range payloads {
		b.Messages = append(b.Messages, Message(p))
	}
	return b
}

// Readings is a batch of n distinct readings of one device, from epoch on.
func Readings(device string, epoch int64, n int) *sluice.Batch {
	b := Batch()
	for i := range n {
		b.Messages = append(b.Messages, Message(Payload(device, epoch+int64(i), 20, 50)))
	}
	return b
}

// WantOutcome checks what a handler returned for a batch that is done. It does not look
// at details, nor at the order of bad messages, nor at codes where bad has none: they are
// each database's own.
func WantOutcome(t testing.TB, got error, duplicates int, bad ...sluice.BadMessage) {
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
	want, have := byIndex(bad), byIndex(e.Bad)
	for i := range have {
		have[i].Detail = ""
		if i < len(want) && want[i].Code == "" {
			have[i].Code = ""
		}
	}
	if diff := gocmp.Diff(want, have); diff != "" {
		t.Errorf("bad messages (-want +got):\n%s", diff)
	}
}

// byIndex returns a sorted copy.
func byIndex(bad []sluice.BadMessage) []sluice.BadMessage {
	return slices.SortedFunc(slices.Values(bad), func(a, b sluice.BadMessage) int { return cmp.Compare(a.Index, b.Index) })
}

// IsHalt tells whether the engine, which looks by errors.As, finds a sluice.Halt in err.
func IsHalt(err error) bool {
	if fmt.Sprintf("%T", err) == fmt.Sprintf("%T", sluice.Halt(errors.New(""))) {
		return true
	}
	switch e := err.(type) { //nolint:errorlint // the very error, link by link
	case interface{ Unwrap() error }:
		return IsHalt(e.Unwrap())
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), IsHalt)
	}
	return false
}

// again tells whether err asks for the batch to be tried again.
func again(err error) bool {
	return err != nil && !IsHalt(err) && !errors.As(err, new(*sluice.BatchError))
}

// Handle runs a handler beside the test.
func Handle(ctx context.Context, h sluice.Handler, b *sluice.Batch) <-chan error {
	done := make(chan error, 1)
	go func() { done <- h.Handle(ctx, b) }()
	return done
}

// facility registers one.
func facility(t testing.TB, s Store, name string) int32 {
	t.Helper()
	id, err := s.Facility(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// sensor is the sink of a facility that it registers.
func sensor(t testing.TB, s Store, name string) sluice.Handler {
	t.Helper()
	return s.NewSensor(facility(t, s, name), time.Time{}, 0)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func count(t testing.TB, s Store, sql string) int {
	t.Helper()
	n, err := s.Count(t.Context(), sql)
	must(t, err)
	return n
}

// Row is a reading as it is stored.
type Row struct {
	Facility int32
	Entry    int64
	Device   string
	Temp, RH float32
	Epoch    int64
}

// maxChunk is the most rows that a chunk may have.
const maxChunk = 1000

// ReadAll reads pages until limit or the end and returns the rows, checking the shape of
// each chunk.
func ReadAll(t testing.TB, r Reader, limit int64) (rows []Row) {
	t.Helper()
	for limit > 0 {
		chunks, err := r.Page(t.Context(), limit)
		must(t, err)
		if len(chunks) == 0 {
			return rows
		}
		for _, c := range chunks {
			n := len(c.EntryId)
			if n == 0 || n > maxChunk || len(c.Device) != n || len(c.Temp) != n || len(c.Rh) != n || len(c.Epoch) != n {
				t.Fatalf("columns of %d, %d, %d, %d and %d rows", n, len(c.Device), len(c.Temp), len(c.Rh), len(c.Epoch))
			}
			for i := range n {
				rows = append(rows, Row{c.FacilityId, c.EntryId[i], c.Device[i], c.Temp[i], c.Rh[i], c.Epoch[i]})
			}
			limit -= int64(n)
		}
	}
	return rows
}

// rowsOf returns the readings of facilities in order of entry.
func rowsOf(t testing.TB, s Store, facilities ...int32) []Row {
	t.Helper()
	return ReadAll(t, s.Sensor(store.SensorQuery{Facilities: facilities}), 1<<40)
}

// wantRows checks how many readings the facilities have, each, and that their entry ids
// are 1 to that number, as the counter says.
func wantRows(t testing.TB, s Store, want int, facilities ...int32) {
	t.Helper()
	last, err := s.LastEntries(t.Context())
	must(t, err)
	for _, f := range facilities {
		rows := rowsOf(t, s, f)
		if len(rows) != want || last[f] != int64(want) {
			t.Errorf("facility %d: got %d rows, counter %d, want %d", f, len(rows), last[f], want)
		}
		for i, r := range rows {
			if r.Entry != int64(i+1) {
				t.Fatalf("facility %d: got entry %d in place %d", f, r.Entry, i+1)
			}
		}
	}
}
