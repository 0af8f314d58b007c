package pathtest

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"sluice/internal/pathload"
	"sluice/internal/testenv"
)

// drainWithin is how soon after a fault heals rows must come again.
const drainWithin = 10 * time.Second

func TestPath_PostgresStoppedFor20sUnderLoad_StoresOnce(t *testing.T) {
	t.Parallel()
	database := testenv.Postgres(t)
	s := newSite(t, siteServers{database: database.Database()})
	r := s.startLeading()
	l := s.load(pathload.Plan{Spoil: spoiled})
	s.AwaitRows(300)
	database.Stop(syscall.SIGINT) // fast: sessions are cut, transactions rolled back
	before, _ := l.Counts()
	pass(t, 20*time.Second)
	after, _ := l.Counts()
	if after-before < 1000 {
		t.Errorf("only %d messages were acknowledged in the meantime: Redis should have taken them", after-before)
	}
	database.Start()
	healed := time.Now()
	s.AwaitRows(1)
	drained := time.Since(healed)
	sent := l.Finish()
	s.Verify(sent)
	r.Terminate()
	t.Logf("acknowledged while PostgreSQL was away: %d; first row %v after it was back", after-before, drained)
	if drained > drainWithin {
		t.Errorf("first row %v after PostgreSQL was back, want less than %v", drained, drainWithin)
	}
}

func TestPath_PostgresKilledUnderLoad_StoresOnce(t *testing.T) {
	t.Parallel()
	database := testenv.Postgres(t)
	s := newSite(t, siteServers{database: database.Database()})
	r := s.startLeading()
	l := s.load(pathload.Plan{Spoil: spoiled})
	const kills = 4
	for range kills {
		s.AwaitRows(200)
		pass(t, rand.N(200*time.Millisecond))
		database.Kill()
		pass(t, rand.N(500*time.Millisecond))
		database.Start()
	}
	s.AwaitRows(200)
	sent := l.Finish()
	s.Verify(sent)
	r.Terminate()
	t.Logf("%d kills of PostgreSQL", kills)
}
