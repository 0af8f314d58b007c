package pathtest

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sluice/internal/pathload"
	"sluice/internal/testenv"
)

// Of a router that is told to end: how long it may take, and how soon another
// one that stands by must read the broker. The lease itself would last 10 s.
const (
	exitWithin     = 10 * time.Second
	takeoverWithin = 5 * time.Second
)

// startMain starts the batch-router's own main.
func (s *site) startMain() *router {
	s.t.Helper()
	dir := s.t.TempDir()
	path := filepath.Join(dir, "sluice.yaml")
	text := configFile(s.settings.Broker, s.settings.Redis, s.settings.Database, filepath.Join(dir, "admin"))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return startRouter(s.t, settings{ConfigFile: path})
}

func TestPath_RouterTerminatedUnderLoad_StoresOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteServers{})
	r := s.startMain()
	r.awaitLeading()
	l := s.load(pathload.Plan{Spoil: spoiled})
	restarts := testenv.Number(t, "PATHTEST_RESTARTS", 10)
	longest := time.Duration(0)
	for range restarts {
		pass(t, rand.N(300*time.Millisecond))
		longest = max(longest, r.Terminate())
		r = s.startMain()
		if rand.N(4) > 0 { // now and then it is told to end while it starts
			r.awaitLeading()
		} else {
			r.AwaitLog("started", 1)
		}
	}
	sent := l.Finish()
	s.Verify(sent)
	longest = max(longest, r.Terminate())
	t.Logf("%d restarts, the longest exit took %v", restarts, longest)
	if longest > exitWithin {
		t.Errorf("an exit took %v, want at most %v", longest, exitWithin)
	}
}

func TestPath_RouterTerminated_StandbyTakesOver(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteServers{})
	leader := s.startMain()
	leader.awaitLeading()
	l := s.load(pathload.Plan{Spoil: spoiled})
	longest := time.Duration(0)
	for range 3 {
		standby := s.startMain()
		standby.AwaitLog(msgStandby, 1)
		s.AwaitRows(100)
		told := time.Now()
		leader.Terminate()
		standby.awaitLeading()
		longest = max(longest, standby.LoggedAt(msgLeading).Sub(told))
		leader = standby
	}
	sent := l.Finish()
	s.Verify(sent)
	leader.Terminate()
	t.Logf("the longest takeover took %v from SIGTERM", longest)
	if longest > takeoverWithin {
		t.Errorf("a takeover took %v, want at most %v", longest, takeoverWithin)
	}
}
