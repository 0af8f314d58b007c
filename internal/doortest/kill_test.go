package doortest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice"
	"sluice/internal/pathload"
	"sluice/internal/testenv"
)

// careful devices give up on a connection that does not answer, and send what is not
// acknowledged again on the next, as a rule to the other replica: while the first one
// may still have it.
const answerWithin = 2 * time.Second

// Replicas are killed, stand still for longer than their lease, or are told to end,
// and connections to them break or fall silent, while devices publish and move
// between them: every message that was acknowledged is stored exactly once, also those
// without a key.
func TestDoor_ReplicasKilledUnderLoad_StoresOnce(t *testing.T) {
	kills := testenv.Number(t, "DOORTEST_KILLS", 6)
	if kills < 10 {
		t.Parallel()
	}
	s := newSite(t, sitePlan{})
	l := pathload.Start(t, pathload.Link{Address: s.link.Addr(), AnswerWithin: answerWithin}, pathload.Plan{
		Sensors: 8, Numbers: 6, Interval: 40 * time.Millisecond, Spoil: spoiled, SpoilEvery: 500,
	})
	counts := map[string]int{}
	do := func(name string, fault func()) {
		began := time.Now()
		fault()
		counts[name]++
		acked, unacked := l.Counts()
		t.Logf("%s (%.1f s); %d acknowledged, %d in flight", name, time.Since(began).Seconds(), acked, unacked)
	}
	for i := range kills {
		l.AwaitAcked(100)
		do(s.disturbLinks())
		do(s.endReplica(i, kills))
		if kills >= 10 && i%4 == 3 {
			do(s.killServer(i))
		}
	}
	l.AwaitAcked(100)
	sent := l.Finish()
	s.Verify(sent)
	s.checkSessions(l)
	for _, r := range s.replicas {
		r.awaitOpen(1)
		r.Terminate()
	}
	t.Logf("%d messages; %s", len(sent), table(counts))
	s.tally(sent)
}

// tally tells what was stored of what was acknowledged, in numbers.
func (s *site) tally(sent []*pathload.Publication) {
	s.t.Helper()
	var acked, readings, keyless int64
	for _, p := range sent {
		if !p.Acknowledged() {
			continue
		}
		acked++
		if p.Row != nil {
			readings++
		}
		if p.Number != nil {
			keyless++
		}
	}
	rows, different := s.number("SELECT count(*) FROM data.sensor"), s.number("SELECT count(DISTINCT (device, epoch)) FROM data.sensor")
	numbers, differing := s.number("SELECT count(*) FROM numbers"), s.number("SELECT count(DISTINCT number) FROM numbers")
	missing, doubled := readings-different+keyless-differing, rows-different+numbers-differing
	s.t.Logf("%d acknowledged, %d dead letters among them; %d rows, %d keyless rows; %d missing, %d doubled",
		acked, acked-readings-keyless, rows, numbers, missing, doubled)
	if missing != 0 || doubled != 0 {
		s.t.Errorf("%d missing, %d doubled", missing, doubled)
	}
}

// checkSessions: a client whose session is forgotten throws its unsent readings away.
func (s *site) checkSessions(l *pathload.Load) {
	s.t.Helper()
	n := l.Sessions()
	s.t.Logf("%d connections of %d devices", n.Connected, len(l.Devices))
	if n.Absent > 0 {
		s.t.Errorf("%d of %d connections found their session forgotten", n.Absent, n.Connected)
	}
	for _, queue := range []string{pathload.RouteSensor, pathload.RouteNumber} {
		s.t.Logf("%s: %d recognised as sent before", queue, s.MustStatus(queue).Account.Dropped[sluice.DropRedelivery])
	}
}

func table(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s: %d", name, counts[name]))
	}
	return strings.Join(parts, ", ")
}

// spoiled are messages of both routes that no attempt can store.
func spoiled(i int) *pathload.Publication {
	if i%2 == 0 {
		return pathload.Doomed(pathload.RouteNumber, []byte("short"), pathload.RouteNumber, sluice.ReasonDecode)
	}
	return pathload.Doomed(pathload.RouteSensor, []byte{0x0a, 0x7f, 'x'}, pathload.RouteSensor, sluice.ReasonDecode)
}

// disturbLinks chooses what happens to connections.
func (s *site) disturbLinks() (name string, fault func()) {
	switch rand.N(3) {
	case 0:
		return "connections reset", s.link.Reset
	case 1:
		return "connections silent for a while", func() {
			s.link.Freeze(2)
			pass(s.t, rand.N(2*answerWithin))
			s.link.Thaw() // what they held comes late, when their devices have others
		}
	default:
		return "nothing", func() {}
	}
}

// endReplica chooses how a replica ends: of every 6, 4 are killed, 1 stands still and
// 1 is told to end.
func (s *site) endReplica(i, of int) (name string, fault func()) {
	n := rand.N(len(s.replicas))
	r := s.replicas[n]
	switch i % 6 {
	case 2:
		return "stood still until it was wound up", func() { s.standStill(r, s.replicas[1-n]) }
	case 4:
		return "told to end", func() {
			r.AwaitLog("started", 1) // before that it knows no signal
			r.Terminate()
			r.start()
		}
	default:
		return "killed", func() {
			pass(s.t, rand.N(100*time.Millisecond))
			r.Kill()
			pass(s.t, rand.N(500*time.Millisecond))
			r.start()
			if rand.N(2) == 0 { // or the next fault comes while it starts
				r.awaitOpen(1)
			}
		}
	}
}

// standStill stops a replica until the other has wound it up, which it must notice.
func (s *site) standStill(r, other *replica) {
	s.t.Helper()
	r.awaitOpen(1)
	other.awaitOpen(1)
	lease, opened := r.LastLogged(msgOpen, "lease"), r.Logged(msgOpen)
	r.Signal(syscall.SIGSTOP)
	other.AwaitLog(lease, 1) // as that of a replica that is no more
	r.Signal(syscall.SIGCONT)
	r.awaitOpen(opened + 1)
}

// killServer kills one of the servers behind the door.
func (s *site) killServer(i int) (name string, fault func()) {
	name, server := "Redis killed", s.redis
	if i%8 == 7 {
		name, server = "PostgreSQL killed", s.database
	}
	return name, func() {
		server.Kill()
		pass(s.t, rand.N(time.Second))
		server.Start()
	}
}
