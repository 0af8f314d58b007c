package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice"
	"sluice/internal/litefile"
	"sluice/internal/process"
	"sluice/internal/testenv"
	"sluice/store/storetest"
)

// writerPath is the variable of the environment that makes the test binary a process
// that writes to a file and prints what it has been promised.
const writerPath = "STORE_WRITER"

// told is a line of the writer: a batch before Handle, and once more after it.
type told struct {
	ID   sluice.BatchID
	N    int // of the batch
	Done bool
}

// writer is the size of the batches of a writer and the number of its first one.
type writer struct {
	Path        string
	First, Size int
}

// batch is batch n, by which it can be made anew: its rows, a duplicate and no reading.
func (w writer) batch(n int) *sluice.Batch {
	b := storetest.Readings("dev", int64(storetest.Epoch-n*w.Size), w.Size)
	b.Messages = append(b.Messages, b.Messages[0], storetest.Message([]byte("x")))
	b.ID = sluice.BatchID{byte(n >> 8), byte(n)}
	return b
}

// writeOn writes batch after batch until it is killed.
func writeOn(text string) int {
	var w writer
	err := json.Unmarshal([]byte(text), &w)
	if err == nil {
		err = w.write()
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func (w writer) write() error {
	f, err := litefile.Open(w.Path)
	if err != nil {
		return err
	}
	s, err := Open(context.Background(), f)
	if err != nil {
		return err
	}
	id, err := s.Facility(context.Background(), "plant-1")
	if err != nil {
		return err
	}
	h, out := NewSensor(s, id, SensorConfig{}), json.NewEncoder(os.Stdout)
	for n := w.First; ; n++ {
		b := w.batch(n)
		if err := out.Encode(told{b.ID, n, false}); err != nil {
			return err
		}
		if got := h.Handle(context.Background(), b); got == nil || !strings.Contains(got.Error(), "1 duplicate") {
			return fmt.Errorf("batch %d: got %w, want a duplicate and a bad message", n, got)
		}
		if err := out.Encode(told{b.ID, n, true}); err != nil {
			return err
		}
	}
}

// A process that dies at any moment leaves every batch whole or not at all, and every
// batch of which Handle has returned; each comes once more, as it does from a queue.
func TestSensor_ProcessKilled_EveryBatchIsThereOnceOrNotAtAll(t *testing.T) {
	t.Parallel()
	w := writer{Path: filepath.Join(t.TempDir(), "sluice.db"), First: 1, Size: 200}
	for round := range 10 {
		text, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		p := process.Start(t, writerPath, string(text))
		enough := w.First + 3 + round
		testenv.Eventually(t, process.Patience, func() error {
			if last := tellings(p.Lines()); last.N < enough {
				return fmt.Errorf("it has written up to batch %d", last.N)
			}
			return nil
		})
		p.Kill()
		last := tellings(p.Lines())
		w.First = last.N + 1
		wantWhole(t, w, last)
	}
}

// tellings returns the last thing that a writer has told.
func tellings(lines []string) (last told) {
	for _, line := range lines {
		var l told
		if json.Unmarshal([]byte(line), &l) == nil && l.N > 0 {
			last = l
		}
	}
	return last
}

// wantWhole checks the file after a crash, and brings the last batch once more.
func wantWhole(t *testing.T, w writer, last told) {
	t.Helper()
	f, err := litefile.Open(w.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := Open(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in := target{s, NewQueries(s)}
	before, err := in.Count(t.Context(), `SELECT count(*) FROM applied_batch`)
	if err != nil {
		t.Fatal(err)
	}
	if want := last.N; before != want && (last.Done || before != want-1) {
		t.Errorf("%d batches are applied, want %d (done: %t)", before, want, last.Done)
	}
	wantRows(t, in, before*w.Size)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := NewSensor(s, 1, SensorConfig{}).Handle(ctx, w.batch(last.N))
	storetest.WantOutcome(t, got, 1, sluice.BadMessage{Index: w.Size + 1, Reason: sluice.ReasonDecode})
	wantRows(t, in, last.N*w.Size)
}

// wantRows checks that the entries 1 to n are there, and the counter and the unique keys.
func wantRows(t *testing.T, in target, n int) {
	t.Helper()
	for sql, want := range map[string]int{
		`SELECT count(*) FROM sensor`:                                               n,
		`SELECT coalesce(max(entry_id), 0) FROM sensor`:                             n,
		`SELECT last_id FROM facility`:                                              n,
		`SELECT count(DISTINCT epoch) FROM sensor`:                                  n,
		`SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'`: 0,
	} {
		if got, err := in.Count(t.Context(), sql); err != nil || got != want {
			t.Errorf("%s: got %d (%v), want %d", sql, got, err, want)
		}
	}
}
