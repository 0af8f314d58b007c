package notify

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"sluice"
	"sluice/gen/sluicev1"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Short names of what events are made of.
const (
	lwt     = sluicev1.PresenceCause_PRESENCE_CAUSE_LWT
	silent  = sluicev1.PresenceCause_PRESENCE_CAUSE_SILENT
	grace   = sluicev1.PresenceCause_PRESENCE_CAUSE_GRACE
	connect = sluicev1.PresenceCause_PRESENCE_CAUSE_CONNECT

	up      = sluicev1.PresenceState_PRESENCE_STATE_UP
	suspect = sluicev1.PresenceState_PRESENCE_STATE_SUSPECT
	down    = sluicev1.PresenceState_PRESENCE_STATE_DOWN

	began  = sluicev1.PresenceFlap_PRESENCE_FLAP_BEGAN
	goesOn = sluicev1.PresenceFlap_PRESENCE_FLAP_GOES_ON
)

type event = sluicev1.PresenceEvent

// noon is the store time that events count their seconds from.
var noon = time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC)

// sec is a store time.
func sec(s float64) int64 { return noon.UnixMicro() + int64(s*1e6) }

func at(s float64) time.Time { return time.UnixMicro(sec(s)).UTC() }

// outage is one at a time, lost 30 s before.
func outage(device string, t float64, change ...func(*event)) *event {
	e := &event{
		Kind: sluicev1.PresenceKind_PRESENCE_KIND_OUTAGE, Device: device, State: down, Cause: lwt,
		At: sec(t), DownAt: sec(t), LostAt: sec(t - 30), Outages: 1, Alive: 50,
	}
	return changed(e, change)
}

// recovery is the end at t of the outage at began.
func recovery(device string, began, t float64, change ...func(*event)) *event {
	e := &event{
		Kind: sluicev1.PresenceKind_PRESENCE_KIND_RECOVERY, Device: device, State: up, Cause: connect,
		At: sec(t), DownAt: sec(began),
	}
	return changed(e, change)
}

func steadied(device string, state sluicev1.PresenceState, change ...func(*event)) *event {
	e := &event{Kind: sluicev1.PresenceKind_PRESENCE_KIND_STEADY, Device: device, State: state, At: sec(700), DownAt: sec(100)}
	return changed(e, change)
}

func restarted(noticed, started float64) *event {
	return &event{Kind: sluicev1.PresenceKind_PRESENCE_KIND_BROKER_RESTART, At: sec(noticed), DownAt: sec(started)}
}

func changed(e *event, change []func(*event)) *event {
	for _, f := range change {
		f(e)
	}
	return e
}

func muted(e *event)     { e.Muted = true }
func flapBegan(e *event) { e.Flap, e.Outages = began, 4 }
func flapOn(e *event)    { e.Flap, e.Outages = goesOn, 4 }
func alive(n int) func(*event) {
	return func(e *event) { e.Alive = int32(n) }
}

func cause(c sluicev1.PresenceCause) func(*event) {
	return func(e *event) { e.Cause = c }
}

// outages are n devices that go down one after the other within span seconds.
func outages(n int, span float64, change ...func(*event)) (all []*event) {
	for i := range n {
		all = append(all, outage(fmt.Sprintf("dev-%d", i+1), span*float64(i)/float64(max(n-1, 1)), change...))
	}
	return all
}

// plant is the configuration of the tests.
var plant = Config{Name: "ops", Facility: "plant-1", Grace: 2 * time.Minute}

// id is that of every report that the tests compose by hand.
const id = "0123456789abcdef0123456789abcdef"

// batch returns events as the router hands them over.
func batch(t testing.TB, events ...*event) *sluice.Batch {
	t.Helper()
	var ms []sluice.Message
	for _, e := range events {
		payload, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		ms = append(ms, sluice.Message{Topic: "lwt", Payload: payload, Received: noon})
	}
	return &sluice.Batch{ID: sluice.NewBatchID(), Route: "$notify/ops", Attempt: 1, Messages: ms}
}

// store keeps notes as a queue does, and can refuse to.
type store struct {
	note  []byte
	kept  int
	fails map[int]error // by the number of the call, from 1
}

// attempt is b as a worker gets it that claims it now.
func (s *store) attempt(b *sluice.Batch) *sluice.Batch {
	c := *b
	c.Note = s.note
	return c.WithKeep(func(_ context.Context, note []byte) error {
		s.kept++
		if err := s.fails[s.kept]; err != nil {
			return err
		}
		s.note = note
		return nil
	})
}

// sent is a part as it arrived.
type sent struct{ ID, Text string }

// script is a Sender whose answers are given; nil from their end on.
type script struct {
	limit   int
	answers []error
	got     []sent
	hook    func() // called in Send
}

func (s *script) Limit() int { return s.limit }

func (s *script) Send(_ context.Context, p *Part) error {
	if s.hook != nil {
		s.hook()
	}
	s.got = append(s.got, sent{p.ID, p.Text})
	if n := len(s.got); n <= len(s.answers) {
		return s.answers[n-1]
	}
	return nil
}

// ids are those of the parts that arrived.
func (s *script) ids() (all []string) {
	for _, p := range s.got {
		all = append(all, p.ID)
	}
	return all
}

var errBroken = errors.New("broken")

// golden compares text with testdata/<name>.txt, or rewrites that with -update.
func golden(t testing.TB, name, text string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text+"\n"); diff != "" {
		t.Errorf("%s (-want +got), rewrite with -update:\n%s", file, diff)
	}
}
