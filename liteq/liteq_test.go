package liteq_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"sluice"
	"sluice/internal/litefile"
	"sluice/liteq"
	"sluice/sluicetest"
)

func TestMain(m *testing.M) {
	if crashes() {
		return
	}
	goleak.VerifyTestMain(m)
}

func TestQueue_Conformance(t *testing.T) {
	t.Parallel()
	sluicetest.TestQueue(t, func(t *testing.T, o sluicetest.QueueOptions) sluice.Queue {
		return open(t, liteq.Config{DeadPerDevice: o.DeadPerDevice})
	})
}

func TestDevices_Conformance(t *testing.T) {
	t.Parallel()
	sluicetest.TestDevices(t, func(t *testing.T, o sluicetest.QueueOptions) sluicetest.Store {
		return open(t, liteq.Config{DeadPerDevice: o.DeadPerDevice})
	})
}

func TestClients_Conformance(t *testing.T) {
	t.Parallel()
	sluicetest.TestClients(t, func(t *testing.T, _ sluicetest.QueueOptions) sluicetest.Store {
		return open(t, liteq.Config{})
	})
}

// The file and the memory stay equal over random histories of devices.
func TestDevices_DoWhatTheReferenceDoes(t *testing.T) {
	t.Parallel()
	histories := 60
	if testing.Short() {
		histories = 10
	}
	for seed := range histories {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			sluicetest.CompareDevices(t, sluicetest.NewQueue(), open(t, liteq.Config{}), uint64(seed))
		})
	}
}

// open opens a queue in a file of its own. At the end of the test the file must hold
// what the memory does.
func open(t testing.TB, c liteq.Config) *liteq.Queue {
	t.Helper()
	f := openFile(t, filepath.Join(t.TempDir(), "sluice.db"))
	t.Cleanup(func() { closeFile(t, f) })
	q := openQueue(t, f, c)
	t.Cleanup(func() {
		before := liteq.Dump(q)
		closeQueue(t, q)
		q = openQueueIn(context.Background(), t, f, c)
		compare(t, before, q)
		closeQueue(t, q)
	})
	return q
}

// compare checks that a queue has in memory what is said, and that the file fits it.
func compare(t testing.TB, want map[string]string, q *liteq.Queue) {
	t.Helper()
	if diff := cmp.Diff(want, liteq.Dump(q)); diff != "" {
		t.Errorf("memory (-before +after):\n%s", diff)
	}
	if err := liteq.Audit(q); err != nil {
		t.Error(err)
	}
}

func openFile(t testing.TB, path string) *litefile.File {
	t.Helper()
	f, err := litefile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func closeFile(t testing.TB, f *litefile.File) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func openQueue(t testing.TB, f *litefile.File, c liteq.Config) *liteq.Queue {
	t.Helper()
	return openQueueIn(t.Context(), t, f, c)
}

// openQueueIn is for cleanups, in which the test's context has ended.
func openQueueIn(ctx context.Context, t testing.TB, f *litefile.File, c liteq.Config) *liteq.Queue {
	t.Helper()
	q, err := liteq.Open(ctx, f, c)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func closeQueue(t testing.TB, q *liteq.Queue) {
	t.Helper()
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}
