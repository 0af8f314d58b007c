package liteq_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice"
	"sluice/internal/litefile"
	"sluice/internal/queuetest"
	"sluice/internal/testenv"
	"sluice/liteq"
)

// victimPath is the variable of the environment that makes the test binary a process
// that works on a queue until it is killed.
const victimPath = "LITEQ_VICTIM"

// crashes tells whether this process is such a one, and works if it is.
func crashes() bool {
	path := os.Getenv(victimPath)
	if path == "" {
		return false
	}
	if err := work(context.Background(), path, os.Stdout); err != nil {
		fmt.Fprintln(os.Stdout, "E", err)
	}
	return true
}

// work appends numbered messages in groups of ten and handles batches, and says so:
//
//	A <first> <last>       these are appended
//	H <batch> <numbers...> this batch has been handled; it is completed after that
//
// What was sent again after a crash it recognises as ingest does, by the record.
func work(ctx context.Context, path string, say io.Writer) error {
	f, err := litefile.Open(path)
	if err != nil {
		return err
	}
	q, err := liteq.Open(ctx, f, liteq.Config{})
	if err != nil {
		return err
	}
	l, err := q.Lease(ctx, "s", "a", time.Hour)
	if err != nil {
		return err
	}
	next := uint64(0)
	if n := len(l.Delivered); n > 0 {
		next = l.Delivered[n-1].Hash + 1
	}
	for number := uint64(1); ; number++ {
		if _, err := q.Append(ctx, victimGroup(l, number, next)); err != nil {
			return err
		}
		fmt.Fprintln(say, "A", next, next+9)
		next += 10
		if number%3 == 0 {
			if err := handle(ctx, q, say); err != nil {
				return err
			}
		}
	}
}

func victimGroup(l sluice.Lease, number, first uint64) *sluice.Group {
	g := &sluice.Group{Lease: l, Number: number, Remember: 20, CaughtUp: int64(first)}
	part := sluice.Part{Queue: queuetest.Door, Policy: queuetest.BySize(7, sluice.Never)}
	for n := first; n < first+10; n++ {
		part.Frame.Append([]byte(queuetest.Door), strconv.AppendUint(nil, n, 10), 1)
		g.Delivered = append(g.Delivered, sluice.Delivered{PacketID: 1, Hash: n})
		g.Moves = append(g.Moves, sluice.Move{Kind: sluice.MoveConnect, Device: fmt.Sprint("d", n%100), At: int64(n)})
	}
	g.Parts = []sluice.Part{part}
	return g
}

// handle handles three batches; of one in five the first attempt fails.
func handle(ctx context.Context, q *liteq.Queue, say io.Writer) error {
	for range 3 {
		got, err := q.Claim(ctx, sluice.ClaimRequest{Queue: queuetest.Door, Concurrency: 2, TTL: time.Millisecond})
		if err != nil || got.Claim == nil {
			return err
		}
		c := got.Claim
		if c.Batch.Attempt == 1 && c.Batch.ID[0]%5 == 0 {
			if err := q.Release(ctx, c, sluice.Retry{}); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintln(say, "H", c.Batch.ID, strings.Join(queuetest.Payloads(c.Batch), " "))
		if err := q.Complete(ctx, c, sluice.Outcome{Stored: len(c.Batch.Messages)}); err != nil {
			return err
		}
	}
	return nil
}

// A process is killed at any moment, again and again. Every message that was confirmed
// is handled, each in one batch; the file is whole every time.
func TestProcessKilled_KeepsEverythingConfirmed_Once(t *testing.T) {
	t.Parallel()
	kills := testenv.Number(t, "LITEQ_KILLS", 20)
	v := &victim{t: t, path: filepath.Join(t.TempDir(), "sluice.db"), batches: map[string]string{}}
	for range kills {
		v.live(1 + rand.IntN(120))
		v.inspect()
	}
	v.settle(kills)
}

// victim is what was heard from processes on a file.
type victim struct {
	t         *testing.T
	path      string
	confirmed int               // messages: they are numbered
	batches   map[string]string // of a message
}

// live runs a process until it has said so many lines.
func (v *victim) live(lines int) {
	v.t.Helper()
	cmd := exec.CommandContext(v.t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimPath+"="+v.path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		v.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	for n := 1; said.Scan(); n++ { // also what it said before the kill reached it
		v.hear(said.Text())
		if n == lines {
			if err := cmd.Process.Kill(); err != nil {
				v.t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
}

func (v *victim) hear(line string) {
	v.t.Helper()
	words := strings.Fields(line)
	switch words[0] {
	case "A":
		last, err := strconv.Atoi(words[2])
		if err != nil {
			v.t.Fatal(err)
		}
		v.confirmed = last + 1
	case "H":
		for _, n := range words[2:] {
			if id := v.batches[n]; id != "" && id != words[1] {
				v.t.Fatalf("message %s is in batch %s and in batch %s", n, id, words[1])
			}
			v.batches[n] = words[1]
		}
	default:
		v.t.Fatal(line)
	}
}

// inspect looks at the file between two lives.
func (v *victim) inspect() {
	v.t.Helper()
	f := openFile(v.t, v.path)
	q := openQueue(v.t, f, liteq.Config{})
	if err := liteq.Audit(q); err != nil {
		v.t.Fatal(err)
	}
	queuetest.Status(v.t, q, queuetest.Door)
	closeQueue(v.t, q)
	closeFile(v.t, f)
}

// settle handles what is left and counts.
func (v *victim) settle(kills int) {
	v.t.Helper()
	f := openFile(v.t, v.path)
	defer closeFile(v.t, f)
	q := openQueue(v.t, f, liteq.Config{})
	defer closeQueue(v.t, q)
	sealAll(v.t, q, queuetest.Door)
	testEnd := time.Now().Add(time.Minute) // claims of the dead last a millisecond
	for time.Now().Before(testEnd) && queuetest.Status(v.t, q, queuetest.Door).Queued() > 0 {
		if c := queuetest.Claim(v.t, q, queuetest.Door); c != nil {
			v.hear(fmt.Sprintln("H", c.Batch.ID, strings.Join(queuetest.Payloads(c.Batch), " ")))
			queuetest.Complete(v.t, q, c)
		}
	}
	if left := queuetest.Status(v.t, q, queuetest.Door).Queued(); left != 0 {
		v.t.Fatalf("%d messages are left", left)
	}
	total := len(v.batches) // the last group may have been stored and not confirmed
	if total < v.confirmed || total > v.confirmed+10 {
		v.t.Fatalf("%d messages were handled, %d confirmed", total, v.confirmed)
	}
	for n := range total {
		if v.batches[strconv.Itoa(n)] == "" {
			v.t.Errorf("message %d is lost", n)
		}
	}
	if received := queuetest.Status(v.t, q, queuetest.Door).Account.Received; received != int64(total) {
		v.t.Errorf("%d messages were received, %d handled", received, total)
	}
	v.t.Logf("%d kills, %d messages confirmed", kills, v.confirmed)
}
