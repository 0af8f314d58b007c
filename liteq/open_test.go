package liteq_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice"
	"sluice/internal/queuetest"
	"sluice/liteq"
)

// spoiled makes a file with a sealed batch, then lets SQL spoil it, and opens it.
func spoiled(t *testing.T, sql string) (*liteq.Queue, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sluice.db")
	f := openFile(t, path)
	t.Cleanup(func() { closeFile(t, f) })
	q := openQueue(t, f, liteq.Config{})
	s := queuetest.NewSession(t, q)
	s.Append(s.Group(queuetest.BySize(2, sluice.Never), "a", "b", "c"))
	closeQueue(t, q)
	c, err := f.Connect()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Exec(sql), c.Close()); err != nil {
		t.Fatal(err)
	}
	return liteq.Open(t.Context(), f, liteq.Config{})
}

func TestOpen_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		sql  string
		says []string
	}{
		"step":          {`UPDATE liteq_step SET changes = substr(changes, 1, 10)`, []string{"read the queue", "damaged"}},
		"record":        {`INSERT INTO liteq_record VALUES (8, x'78', x'7b')`, []string{"read the queue", "damaged", `"x"`}},
		"unknown kind":  {`INSERT INTO liteq_record VALUES (99, x'78', x'7b7d')`, []string{"kind 99"}},
		"newer version": {`UPDATE schema SET version = 7 WHERE part = 'queue'`, []string{"newer version of sluice", "queue version 7, this program knows 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q, err := spoiled(t, test.sql)
			if err == nil {
				closeQueue(t, q)
				t.Fatal("the queue was opened")
			}
			for _, part := range append(test.says, "sluice.db") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got error %q, want %q in it", err, part)
				}
			}
		})
	}
}

// A batch that cannot be read stays where it is, and the error says which.
func TestClaim_OfDamagedBatch_Fails(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"cut":    `UPDATE liteq_frame SET data = substr(data, 1, 20)`,
		"absent": `DELETE FROM liteq_frame`,
	} {
		q, err := spoiled(t, sql)
		if err != nil {
			t.Fatal(err)
		}
		_, err = q.Claim(t.Context(), sluice.ClaimRequest{Queue: queuetest.Door, Concurrency: 1, TTL: time.Hour})
		if err == nil || !strings.Contains(err.Error(), "batch ") || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: got error %v, want one that names the batch", name, err)
		}
		if s := queuetest.Status(t, q, queuetest.Door); s.Sealed != 2 {
			t.Errorf("%s: %+v, want the batch still sealed", name, s)
		}
		closeQueue(t, q)
	}
}

func TestClose_EndsEverything(t *testing.T) {
	t.Parallel()
	f := openFile(t, filepath.Join(t.TempDir(), "sluice.db"))
	defer closeFile(t, f)
	q := openQueue(t, f, liteq.Config{})
	s := queuetest.NewSession(t, q)
	closeQueue(t, q)
	if _, err := q.Append(t.Context(), s.Group(queuetest.BySize(2, sluice.Never), "a")); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("append: got error %v, want one that says that the queue is closed", err)
	}
	if q.Close() == nil {
		t.Error("a second Close: no error")
	}
}

func TestOpen_RefusesNegativeQuota(t *testing.T) {
	t.Parallel()
	f := openFile(t, filepath.Join(t.TempDir(), "sluice.db"))
	defer closeFile(t, f)
	if _, err := liteq.Open(t.Context(), f, liteq.Config{DeadPerDevice: -1}); err == nil || !strings.Contains(err.Error(), "use 1 or more") {
		t.Errorf("got error %v", err)
	}
}

// Clients that connect at the same moment share a commit; that one of them is refused is
// no matter to the others.
func TestConnect_OfManyAtOnce_AnswersEach(t *testing.T) {
	t.Parallel()
	const clients, most = 300, 100
	q := open(t, liteq.Config{})
	l := queuetest.NewSession(t, q).Lease
	var wg sync.WaitGroup
	answers := make(chan error, clients)
	numbers := make(chan int64, clients)
	for i := range clients {
		wg.Go(func() {
			c, err := q.Connect(t.Context(), l, sluice.ConnectRequest{Client: fmt.Sprint("c", i), Expiry: time.Hour, MaxClients: most})
			answers <- err
			if err == nil {
				numbers <- c.Connection
			}
		})
	}
	wg.Wait()
	close(answers)
	close(numbers)
	refused := 0
	for err := range answers {
		if errors.Is(err, sluice.ErrClientLimit) {
			refused++
		} else if err != nil {
			t.Error(err)
		}
	}
	seen := map[int64]bool{}
	for n := range numbers {
		seen[n] = true
	}
	if n, err := q.CountClients(t.Context()); err != nil || n != most || refused != clients-most || len(seen) != most {
		t.Errorf("%d clients are known (%v), %d were refused, %d numbers were given; want %d, %d, %d", n, err, refused, len(seen), most, clients-most, most)
	}
}
