package presence

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"sluice"
	"sluice/gen/sluicev1"
	"sluice/sluicetest"
)

// stand is a keeper beside a session that the test plays, on a store in memory.
type stand struct {
	*testing.T
	memory *sluicetest.Queue
	store  *sluicetest.FaultyQueue
	during *meanwhile // what the keeper sees of the store
	keeper *Keeper
	lease  sluice.Lease
	number uint64
	end    func() // ends Attend
	log    *logbook
	// forgotten: the broker has lost the session that is attended next.
	forgotten bool

	mu       sync.Mutex // guards what follows: Attend's goroutine writes it
	marks    []mark
	returned int // of marks
	pushed   []sluice.PresenceReceipt
	refusal  error
}

// mark is one marker.
type mark struct {
	at   int64 // that it carries
	sent time.Time
}

// newStand has a keeper that runs, and no session yet.
func newStand(t *testing.T, c Config) *stand {
	t.Helper()
	s := &stand{T: t, memory: sluicetest.NewQueue(), log: &logbook{}}
	s.store = sluicetest.Faulty(s.memory, nil)
	c.Facility, c.Events = "plant-1", true
	c.Logger = slog.New(slog.NewTextHandler(s.log, nil))
	s.during = &meanwhile{Store: s.store}
	s.keeper = New(s.during, c)
	running(t, s.keeper.Run)
	advance(0)
	return s
}

// attend begins a session under a new lease.
func (s *stand) attend() {
	s.Helper()
	if s.end != nil {
		s.end()
	}
	s.hold()
	if err := s.keeper.Begin(s.Context(), s.lease); err != nil {
		s.Fatal(err)
	}
	s.marks, s.returned = nil, 0
	session := sluice.Attended{Lease: s.lease, Resumed: !s.forgotten, Mark: s.mark, Pushed: s.push}
	s.end = running(s.T, func(ctx context.Context) { s.keeper.Attend(ctx, session) })
	synctest.Wait()
}

// judging begins a session of a broker that has been running for an hour.
func (s *stand) judging() {
	s.Helper()
	s.attend()
	s.uptime(time.Hour)
}

// hold takes the lease.
func (s *stand) hold() {
	s.Helper()
	var err error
	if s.lease, err = s.memory.Lease(s.Context(), "broker", "a", 100*24*time.Hour); err != nil {
		s.Fatal(err)
	}
	s.number = 0
}

func (s *stand) mark(at int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marks = append(s.marks, mark{at, time.Now()})
	return s.refusal
}

func (s *stand) push(r sluice.PresenceReceipt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushed = append(s.pushed, r)
}

// uptime tells that the broker has been running for so long, as of now.
func (s *stand) uptime(up time.Duration) {
	s.keeper.Uptime(up, s.keeper.Now(), false)
	synctest.Wait()
}

// stored appends a group, of which the keeper does not hear yet.
func (s *stand) stored(caughtUp int64, moves ...sluice.Move) sluice.PresenceReceipt {
	s.Helper()
	s.number++
	g := &sluice.Group{Lease: s.lease, Number: s.number, Moves: moves, CaughtUp: caughtUp, Presence: sluice.PresenceSettings{Events: true}}
	r, err := s.memory.Append(s.Context(), g)
	if err != nil {
		s.Fatal(err)
	}
	return r.Presence
}

// apply appends a group, with the markers that come back in it.
func (s *stand) apply(caughtUp int64, moves ...sluice.Move) {
	s.Helper()
	s.keeper.Applied(s.stored(caughtUp, moves...), caughtUp)
	synctest.Wait()
}

// tell appends moves.
func (s *stand) tell(moves ...sluice.Move) { s.Helper(); s.apply(0, moves...) }

// comeBack lets the oldest marker on its way come back, behind moves.
func (s *stand) comeBack(moves ...sluice.Move) {
	s.Helper()
	s.apply(s.next().at, moves...)
}

// next returns the oldest marker on its way, which is no more.
func (s *stand) next() mark {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.returned == len(s.marks) {
		s.Fatalf("no marker is on its way, %d came back", s.returned)
	}
	s.returned++
	return s.marks[s.returned-1]
}

// sent returns the markers so far.
func (s *stand) sent() []mark {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.marks)
}

// onItsWay checks how many markers are.
func (s *stand) onItsWay(want int) {
	s.Helper()
	if got := len(s.sent()) - s.returned; got != want {
		s.Fatalf("%d markers are on their way, want %d", got, want)
	}
}

func (s *stand) connect(devices ...string) (out []sluice.Move) {
	for _, d := range devices {
		out = append(out, sluice.Move{Kind: sluice.MoveConnect, Device: d, At: s.keeper.Now(), Silent: -1})
	}
	return out
}

func (s *stand) will(delay time.Duration, devices ...string) (out []sluice.Move) {
	for _, d := range devices {
		out = append(out, sluice.Move{Kind: sluice.MoveWill, Device: d, At: s.keeper.Now(), Delay: delay.Microseconds()})
	}
	return out
}

// device returns what is known of a device.
func (s *stand) device(name string) sluice.Device {
	s.Helper()
	d, err := s.memory.Device(s.Context(), name)
	if err != nil || d == nil {
		s.Fatalf("device %s: %v, %v", name, d, err)
	}
	return *d
}

// is checks the state of devices.
func (s *stand) is(want sluice.DeviceState, names ...string) {
	s.Helper()
	for _, name := range names {
		if got := s.device(name).State; got != want {
			s.Fatalf("%s is %v, want %v", name, got, want)
		}
	}
}

// outages checks who fell, in order, as the queue of events tells it.
func (s *stand) outages(want ...string) {
	s.Helper()
	var got []string
	for _, e := range s.events() {
		if e.Kind == sluicev1.PresenceKind_PRESENCE_KIND_OUTAGE {
			got = append(got, e.Device)
		}
	}
	if !slices.Equal(got, want) {
		s.Fatalf("outages of %v, want %v", got, want)
	}
}

func (s *stand) events() (out []*sluicev1.PresenceEvent) {
	s.Helper()
	for _, b := range s.memory.Batches(sluice.QueueEvents) {
		for _, m := range b.Messages {
			e := &sluicev1.PresenceEvent{}
			if err := proto.Unmarshal(m.Payload, e); err != nil {
				s.Fatal(err)
			}
			out = append(out, e)
		}
	}
	return out
}

func (s *stand) count(kind sluicev1.PresenceKind) (n int) {
	s.Helper()
	for _, e := range s.events() {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// calls counts the calls of the store, but those of its clock.
func (s *stand) calls() (n int) {
	for _, op := range []string{"SetOffset", "Attend", "Due", "Grace"} {
		n += s.store.Calls(op)
	}
	return n
}

// logbook keeps log lines.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// count returns how many lines contain text.
func (l *logbook) count(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// meanwhile is a store during whose next Due something happens: after it was done
// and before its answer is known.
type meanwhile struct {
	Store

	mu sync.Mutex
	do func()
}

func (m *meanwhile) happens(do func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.do = do
}

func (m *meanwhile) Due(ctx context.Context, l sluice.Lease, r sluice.DueRequest) (sluice.DueResult, error) {
	result, err := m.Store.Due(ctx, l, r)
	m.mu.Lock()
	do := m.do
	m.do = nil
	m.mu.Unlock()
	if do != nil {
		do()
	}
	return result, err
}
