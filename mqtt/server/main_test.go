package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"sluice"
	"sluice/gen/msg"
	"sluice/internal/testenv"
	"sluice/presence"
	"sluice/sluicetest"
)

func verify(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of a test; only a failing test uses it up.
const patience = 60 * time.Second

// site is a router with a front door on a store.
type site struct {
	testing.TB

	store  store
	queue  *sluicetest.FaultyQueue // the door's and the router's view of the store
	server *Server
	router *sluice.Router
	sink   *sink
	stop   func()
}

// store is all that a site needs of one.
type store interface {
	sluice.Queue
	sluice.DeviceStore
	sluice.ClientStore
}

// sink is what the route has stored.
type sink struct {
	mu     sync.Mutex
	stored []string // payloads
}

func (s *sink) Handle(_ context.Context, b *sluice.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range b.Messages {
		s.stored = append(s.stored, string(m.Payload))
	}
	return nil
}

func (s *sink) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.stored...)
}

// newSite starts a router with a door on a memory queue; the route is data/#.
func newSite(t testing.TB, change ...func(*Config)) *site {
	t.Helper()
	return startSite(t, sluicetest.NewQueue(), change...)
}

func startSite(t testing.TB, on store, change ...func(*Config)) *site {
	t.Helper()
	s := &site{TB: t, store: on, queue: sluicetest.Faulty(on, nil), sink: &sink{}}
	mux := sluice.NewMux()
	mux.WatchPresence()
	mux.Handle("data/#", sluice.Policy{Max: 100, Timeout: 5 * time.Millisecond}, s.sink)
	keeper := presence.New(s.queue, presence.Config{Facility: "plant-1", Direct: true})
	c := Config{
		Listeners: []Listener{{Address: "127.0.0.1:0"}}, Registry: s.queue, Sync: keeper.Sync(), Now: keeper.Now,
		Routed: func(topic string) bool { _, i := mux.Match(topic); return i >= 0 },
		Will: func(topic string, payload []byte) (*sluice.ClientWill, error) {
			return readWill(keeper, topic, payload)
		},
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, do := range change {
		do(&c)
	}
	s.server = New(c)
	s.router = sluice.NewRouter(s.queue, mux, sluice.Config{
		Source: s.server, Session: "door", Door: &sluice.Door{Clients: s.queue, Grace: 2 * time.Minute},
		Presence: &sluice.Presence{Keeper: keeper},
		Logger:   c.Logger, LeaseTTL: 2 * time.Second, RetryMin: time.Millisecond, RetryMax: 20 * time.Millisecond,
	})
	s.run()
	return s
}

func readWill(k *presence.Keeper, topic string, payload []byte) (*sluice.ClientWill, error) {
	first, device, _ := strings.Cut(topic, "/")
	if first != sluice.TopicWill {
		return nil, nil
	}
	m, bad := k.Read(sluice.MoveWill, device, payload)
	if bad != nil {
		return nil, errors.New(bad.Reason)
	}
	return &sluice.ClientWill{Device: m.Device, Delay: m.Delay}, nil
}

// run runs the router until stop, or the test's end.
func (s *site) run() {
	s.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.router.Run(ctx)
	}()
	var once sync.Once
	s.stop = func() { once.Do(func() { cancel(); <-done; s.server.Close() }) }
	s.Cleanup(s.stop)
	s.eventually(func() error {
		if !s.router.Leading() {
			return fmt.Errorf("not leading: %w", s.router.Fault())
		}
		return nil
	})
}

func (s *site) eventually(check func() error) {
	s.Helper()
	testenv.Eventually(s, patience, check)
}

// stores waits until exactly these payloads are stored, in order.
func (s *site) stores(want ...string) {
	s.Helper()
	s.eventually(func() error {
		if got := s.sink.all(); fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("stored %q, want %q", got, want)
		}
		return nil
	})
}

// counts waits until the server's counts pass.
func (s *site) counts(what string, get func(Stats) bool) {
	s.Helper()
	s.eventually(func() error {
		if st := s.server.Stats(); !get(st) {
			return fmt.Errorf("%s: %+v", what, st)
		}
		return nil
	})
}

// device waits until a device is in a state.
func (s *site) device(name string, want sluice.DeviceState) {
	s.Helper()
	s.eventually(func() error {
		d, err := s.store.Device(context.Background(), name)
		if err != nil {
			return err
		}
		if d == nil || d.State != want {
			return fmt.Errorf("device %s: %+v, want state %v", name, d, want)
		}
		return nil
	})
}

// clientIs waits until the registry's record of a client passes.
func (s *site) clientIs(name string, check func(sluice.Client) error) {
	s.Helper()
	s.eventually(func() error {
		page, _, err := s.store.Clients(context.Background(), "")
		if err != nil {
			return err
		}
		for _, c := range page {
			if c.Name == name {
				return check(c)
			}
		}
		return fmt.Errorf("client %s is not known", name)
	})
}

func encoded(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func lwtOf(t testing.TB, device string, seconds int64) []byte {
	return encoded(t, &msg.LWT{Device: device, Delay: seconds})
}

func connectOf(t testing.TB, device string) []byte {
	return encoded(t, &msg.Connect{Device: device})
}
