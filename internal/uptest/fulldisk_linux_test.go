package uptest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/internal/pathload"
	"sluice/internal/testenv"
)

// The disk fills up while devices publish: nothing more is acknowledged, the log says
// why, and when there is room again everything goes on; what was acknowledged is stored.
func TestUp_FullDisk_AcknowledgesNothingThatIsNotStored(t *testing.T) {
	out := testenv.SmallDisk(t, 32, func(dir string) { fillDisk(t, dir) })
	for line := range strings.Lines(out) {
		if strings.Contains(line, "acknowledged") {
			t.Log(strings.TrimSpace(line))
		}
	}
}

func fillDisk(t *testing.T, dir string) {
	t.Helper()
	t.Setenv("TMPDIR", dir)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 21<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, 0, "")
	s.awaitUp()
	l := pathload.Start(t, pathload.Link{Address: s.door, AnswerWithin: 10 * time.Second}, pathload.Plan{
		Sensors: 8, Numbers: -1, Interval: 10 * time.Millisecond, Padding: 2000,
	})
	before := s.awaitRefused(l)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	l.AwaitAcked(100)
	sent := l.Finish()
	s.verify(sent, s.awaitRows(acknowledged(sent)))
	s.Terminate()
	t.Logf("%d acknowledged before the disk was full, %d in the end, all rows", before, acknowledged(sent))
}

// awaitRefused waits until nothing is acknowledged any more for want of room.
func (s *site) awaitRefused(l *pathload.Load) (acked int) {
	s.t.Helper()
	s.AwaitLog("no room on its disk", 1)
	var since time.Time
	testenv.Eventually(s.t, patience, func() error {
		switch n, _ := l.Counts(); {
		case n != acked:
			acked, since = n, time.Now()
		case time.Since(since) > 2*time.Second:
			return nil
		}
		return errors.New("it still acknowledges")
	})
	return acked
}
