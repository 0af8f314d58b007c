package liteq_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice"
	"sluice/liteq"
)

// smallDisk is the variable of the environment that names the folder of the small disk.
const smallDisk = "LITEQ_SMALL_DISK"

// runInSmallDisk runs a test, by its name, on a disk of 16 MiB: in a process of its own,
// which has a view of the file system in which it may mount one.
func runInSmallDisk(t *testing.T, name string, test func(dir string)) {
	t.Helper()
	if dir := os.Getenv(smallDisk); dir != "" {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
			t.Fatalf("mount a small disk: %v", err)
		}
		test(dir)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+name+"$", "-test.v")
	cmd.Env = append(os.Environ(), smallDisk+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+name) {
		t.Fatalf("the test on a small disk: %v\n%s", err, out)
	}
}

// inFullDisk does everything that a queue must be able to do while its disk is full,
// and returns when append works again.
func inFullDisk(t *testing.T, q *liteq.Queue, s *session) {
	t.Helper()
	refused := fill(s)
	before := status(t, q, door)

	// A repeat of what was stored and a stranger's append are told the truth.
	last := &sluice.Group{Lease: s.lease, Number: refused.Number - 1, Parts: refused.Parts}
	if r, err := q.Append(t.Context(), last); err != nil || !r.Repeated {
		t.Fatalf("repeat on a full disk: got %+v, %v", r, err)
	}
	stranger := &sluice.Group{Lease: sluice.Lease{Session: "s", Token: "stranger"}, Number: 1}
	if _, err := q.Append(t.Context(), stranger); !errors.Is(err, sluice.ErrFenced) {
		t.Fatalf("stranger on a full disk: got error %v", err)
	}
	c := claim(t, q, door)
	for _, step := range []struct {
		what string
		err  error
	}{
		{"renew", q.Renew(t.Context(), s.lease, time.Hour)},
		{"extend", q.Extend(t.Context(), c, time.Hour)},
		{"release", q.Release(t.Context(), c, sluice.Retry{Halted: true, Reason: strings.Repeat("r", 1000)})},
		{"resume", q.Resume(t.Context(), door)},
		{"forget", q.Forget(t.Context(), s.lease)},
	} {
		if step.err != nil {
			t.Errorf("%s on a full disk: %v", step.what, step.err)
		}
	}
	if after := status(t, q, door); after.Queued() != before.Queued() || after.Account.Received != before.Account.Received {
		t.Fatalf("a refused append changed the queue: %+v, before %+v", after, before)
	}
	c = claim(t, q, door)
	all := sluice.Outcome{}
	for i := range c.Batch.Messages {
		all.Dead = append(all.Dead, letter(c, i, fmt.Sprint(i)))
	}
	if err := q.Complete(t.Context(), c, all); err != nil {
		t.Fatalf("complete on a full disk: %v", err)
	}
	sealAll(t, q, sluice.QueueDead)
	drain(t, q, door)
	drain(t, q, sluice.QueueDead)
	if r := s.append(refused); r.Repeated {
		t.Fatal("the refused group had been stored")
	}
	drain(t, q, door)
	for _, queue := range []string{door, sluice.QueueDead} {
		if st := status(t, q, queue); st.Sealed+st.Claimed+st.Retry != 0 {
			t.Errorf("%s: %+v, want it drained", queue, st)
		}
	}
}

func TestFullDisk_RefusesAppendAlone_AndDrains(t *testing.T) {
	runInSmallDisk(t, "TestFullDisk_RefusesAppendAlone_AndDrains", func(dir string) {
		file := openFile(t, filepath.Join(dir, "sluice.db"))
		q := openQueue(t, file, liteq.Config{})
		s := newSession(t, q)
		for round := range 3 {
			inFullDisk(t, q, s)
			if t.Failed() {
				t.Fatalf("round %d", round)
			}
		}
		fill(s)
		before := liteq.Dump(q)
		closeQueue(t, q)
		closeFile(t, file)
		file = openFile(t, filepath.Join(dir, "sluice.db")) // a full disk is no reason not to start
		q = openQueue(t, file, liteq.Config{})
		compare(t, before, q)
		for _, b := range drain(t, q, door) {
			if len(b) != 10 {
				t.Errorf("a batch of %d messages", len(b))
			}
		}
		closeQueue(t, q)
		closeFile(t, file)
	})
}
