package pathtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"sluice"
	"sluice/internal/pathload"
	"sluice/internal/testenv"
)

// An append that Redis carries out after its caller has given up is not carried
// out again: the client's timeout is 300 ms, Redis stands still for longer.
func TestPath_RedisPausedBeyondTheCallTimeout_StoresOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteServers{})
	s.settings.CallTimeout = 300 * time.Millisecond
	r := s.startLeading()
	l := s.load(pathload.Plan{Spoil: spoiled})
	const pauses = 4
	for range pauses {
		l.AwaitAcked(300)
		s.AwaitRows(100)
		s.redis.Pause()
		pass(t, 700*time.Millisecond+rand.N(600*time.Millisecond))
		s.redis.Resume()
	}
	s.AwaitRows(100)
	sent := l.Finish()
	s.Verify(sent)
	if n := r.Logged("append failed"); n == 0 {
		t.Error("no append has timed out: the pauses did not bite")
	}
	r.Terminate()
}

func TestPath_RedisKilledUnderLoad_StoresOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteServers{})
	r := s.startLeading()
	l := s.load(pathload.Plan{Spoil: spoiled})
	const kills = 5
	for range kills {
		s.AwaitReceived(pathload.RouteSensor, 50)
		pass(t, rand.N(300*time.Millisecond))
		s.redis.Kill()
		pass(t, rand.N(500*time.Millisecond))
		s.redis.Start()
		s.AwaitRows(100)
	}
	sent := l.Finish()
	s.Verify(sent)
	r.Terminate()
	t.Logf("%d kills of Redis", kills)
}

// With PostgreSQL stopped the queue fills up to its limit, or to Redis' own
// maxmemory where there is no limit. The router acknowledges nothing more, the
// broker fills up and refuses the devices, and none of that loses a message.
func TestPath_RedisFullWhilePostgresIsStopped_DrainsAll(t *testing.T) {
	for _, c := range []struct {
		name     string
		maxBytes int64
	}{
		{"limit of the queue", 3 << 20},
		{"maxmemory", -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fillUp(t, c.maxBytes)
		})
	}
}

func fillUp(t *testing.T, maxBytes int64) {
	t.Helper()
	database := testenv.Postgres(t)
	s := newSite(t, siteServers{
		broker:   []testenv.Option{testenv.Config("memory_limit 8000000")},
		redis:    []testenv.Option{testenv.Config("maxmemory 6mb")},
		database: database.Database(), maxBytes: maxBytes,
	})
	r := s.startLeading()
	l := s.load(pathload.Plan{Padding: 2000, Burst: 4, Spoil: spoiled})
	s.AwaitRows(200)
	database.Stop(syscall.SIGINT)
	r.AwaitLog(msgFull, 1)
	awaitBlocked(t, l)
	acked, unacked := l.Counts()
	st := s.MustStatus(pathload.RouteSensor)
	t.Logf("full: %d messages acknowledged to devices, %d held by them; the sensor queue has %d in %d bytes",
		acked, unacked, st.Queued(), st.Bytes)

	database.Start()
	s.AwaitRows(1)
	l.AwaitAcked(200)
	sent := l.Finish()
	s.Verify(sent)
	r.Terminate()
}

// awaitBlocked waits until every device has messages in flight and the broker
// has acknowledged none for a second.
func awaitBlocked(t testing.TB, l *pathload.Load) {
	t.Helper()
	last, since := -1, time.Now()
	pathload.Eventually(t, patience, func() error {
		acked, unacked := l.Counts()
		if acked != last || unacked < len(l.Devices) {
			last, since = acked, time.Now()
		}
		if time.Since(since) < time.Second {
			return fmt.Errorf("the broker still acknowledges: %d so far, %d in flight", acked, unacked)
		}
		return nil
	})
}

// A wiped Redis has lost what it queued; that is why it is wiped here while it
// queues nothing. What matters is what comes after: no batch is taken for one of
// those that the database has applied, and the router finds its way by itself.
func TestPath_RedisWiped_NewBatchesAreStored(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteServers{})
	r := s.startLeading()
	var sent []*pathload.Publication
	const wipes = 3
	for i := range wipes {
		l := s.load(pathload.Plan{Name: fmt.Sprintf("dev%d", i), Spoil: spoiled})
		s.AwaitRows(500)
		sent = append(sent, l.Finish()...)
		s.Verify(sent)
		s.wipe()
	}
	l := s.load(pathload.Plan{Name: "last", Spoil: spoiled})
	s.AwaitRows(500)
	sent = append(sent, l.Finish()...)
	s.Verify(sent)
	for _, queue := range []string{pathload.RouteSensor, pathload.RouteNumber, sluice.QueueDead} {
		if st := s.MustStatus(queue); st.Balance() != 0 {
			t.Errorf("%s is off by %d after a wipe: %+v", queue, st.Balance(), st)
		}
	}
	r.Terminate()
}

// wipe empties Redis and waits until the router has a session in it again.
func (s *site) wipe() {
	s.t.Helper()
	c, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{s.redis.Addr()}, ForceSingleClient: true, DisableCache: true,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	if err := c.Do(context.Background(), c.B().Flushall().Build()).Error(); err != nil {
		s.t.Fatal(err)
	}
	s.Wiped = true
}

// Wiped in the middle of everything, Redis may lose what it had acknowledged,
// but what is a row stays one, nothing is stored twice, and what devices send
// later is stored.
func TestPath_RedisWipedUnderLoad_GoesOnWithoutDoubles(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteServers{})
	r := s.startLeading()
	l := s.load(pathload.Plan{})
	const wipes = 3
	for range wipes {
		s.AwaitRows(300)
		s.wipe()
	}
	s.AwaitRows(300)
	early := l.Finish()
	for _, queue := range []string{pathload.RouteSensor, pathload.RouteNumber} {
		s.AwaitStatus(queue, "empty", func(st sluice.QueueStatus) bool { return st.Queued() == 0 })
	}
	l = s.load(pathload.Plan{Name: "late"})
	s.AwaitRows(300)
	late := l.Finish()
	s.Verify(append(s.found(early), late...))
	r.Terminate()
}

// reading identifies a row.
type reading struct {
	device string
	epoch  int64
}

// found returns those publications that are rows.
func (s *site) found(sent []*pathload.Publication) []*pathload.Publication {
	s.t.Helper()
	rows, numbers := map[reading]bool{}, map[int64]bool{}
	var k reading
	var n int64
	s.Each("SELECT device, epoch FROM data.sensor", func() { rows[k] = true }, &k.device, &k.epoch)
	s.Each("SELECT DISTINCT number FROM numbers", func() { numbers[n] = true }, &n)
	var found []*pathload.Publication
	for _, p := range sent {
		if p.Row != nil && rows[reading{p.Row.Device, p.Row.Epoch}] || p.Number != nil && numbers[p.Number.Number] {
			found = append(found, p)
		}
	}
	s.t.Logf("%d of %d messages survived the wipes", len(found), len(sent))
	return found
}
