package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"sluice"
	"sluice/gen/sluicev1"
	"sluice/sluicetest"
)

// three is a batch whose report has three parts at smallLimit.
func three(t testing.TB) *sluice.Batch {
	t.Helper()
	return batch(t, outages(6, 1)...)
}

const smallLimit = 250

func partIDs(b *sluice.Batch, ns ...int) (all []string) {
	for _, n := range ns {
		all = append(all, fmt.Sprintf("%s-%d", b.ID, n))
	}
	return all
}

func TestHandler_SendsOneReport(t *testing.T) {
	t.Parallel()
	b, s, keeps := batch(t, outages(2, 1)...), &script{}, &store{}
	if err := New(plant, s).Handle(t.Context(), keeps.attempt(b)); err != nil {
		t.Fatal(err)
	}
	want := []sent{{b.ID.String(), "plant-1: 2 devices down\n" +
		"dev-1 down since 2025-01-01 12:00:00Z (its last will), nothing heard since 11:59:30Z\n" +
		"dev-2 down since 2025-01-01 12:00:01Z (its last will), nothing heard since 11:59:31Z\n[" + b.ID.String() + "]"}}
	if diff := cmp.Diff(want, s.got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHandler_NothingToSaySendsAndKeepsNothing(t *testing.T) {
	t.Parallel()
	s, keeps := &script{}, &store{}
	b := batch(t, outage("a", 1, muted), outage("b", 1, flapOn))
	if err := New(plant, s).Handle(t.Context(), keeps.attempt(b)); err != nil {
		t.Fatal(err)
	}
	if len(s.got) > 0 || keeps.kept > 0 {
		t.Errorf("got %d parts sent and %d notes, want none", len(s.got), keeps.kept)
	}
}

func TestHandler_NamesWhatIsNoEventAndReportsTheRest(t *testing.T) {
	t.Parallel()
	b := batch(t, outage("a", 1), outage("b", 2))
	b.Messages = slices.Insert(b.Messages, 1, sluice.Message{Payload: []byte("\xff")})
	want := []sluice.BadMessage{{Index: 1, Reason: sluice.ReasonDecode, Detail: "no sluice.v1.PresenceEvent"}}
	s := &script{answers: []error{errBroken}}
	h, keeps := New(plant, s), &store{}

	// While the report is not accepted nothing is given up.
	err := h.Handle(t.Context(), keeps.attempt(b))
	if _, ok := errors.AsType[*sluice.BatchError](err); ok || !errors.Is(err, errBroken) {
		t.Errorf("got %v, want %v", err, errBroken)
	}
	for range 2 { // the second: died before the batch was removed
		partly, ok := errors.AsType[*sluice.BatchError](h.Handle(t.Context(), keeps.attempt(b)))
		if !ok {
			t.Fatal("got no BatchError")
		}
		if diff := cmp.Diff(want, partly.Bad); diff != "" {
			t.Errorf("bad (-want +got):\n%s", diff)
		}
	}
	if len(s.got) != 2 || !strings.HasPrefix(s.got[1].Text, "plant-1: 2 devices down\n") {
		t.Errorf("got %v", s.got)
	}
}

func TestHandler_OnlyBadMessagesSendNothing(t *testing.T) {
	t.Parallel()
	b, s := batch(t), &script{}
	b.Messages = []sluice.Message{{Payload: []byte("\xff")}, {Payload: []byte{8}}}
	partly, ok := errors.AsType[*sluice.BatchError](New(plant, s).Handle(t.Context(), b))
	if !ok || len(partly.Bad) != 2 || len(s.got) > 0 {
		t.Errorf("got %v and %d parts", partly, len(s.got))
	}
}

func TestHandler_KeepsTheTextBeforeItSends(t *testing.T) {
	t.Parallel()
	b, keeps := three(t), &store{}
	s := &script{limit: smallLimit}
	s.hook = func() {
		p, ok := readNote(keeps.note, b.ID)
		if !ok || p.Sent != len(s.got) || p.Sent+len(p.Rest) != 3 {
			t.Errorf("with %d parts sent the note is %+v (%t)", len(s.got), p, ok)
		}
	}
	if err := New(plant, s).Handle(t.Context(), keeps.attempt(b)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(partIDs(b, 1, 2, 3), s.ids()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if p, ok := readNote(keeps.note, b.ID); !ok || p.Sent != 3 || !p.done() {
		t.Errorf("the last note is %+v (%t), want 3 parts sent", p, ok)
	}
}

func TestHandler_SendsNothingWhenTheTextCannotBeKept(t *testing.T) {
	t.Parallel()
	s, keeps := &script{}, &store{fails: map[int]error{1: errBroken}}
	b := batch(t, outage("a", 1))
	h := New(plant, s)
	if err := h.Handle(t.Context(), keeps.attempt(b)); !errors.Is(err, errBroken) || len(s.got) > 0 {
		t.Errorf("got %v and %d parts, want %v and none", err, len(s.got), errBroken)
	}
	if err := h.Handle(t.Context(), keeps.attempt(b)); err != nil || len(s.got) != 1 {
		t.Errorf("got %v and %d parts, want one", err, len(s.got))
	}
}

// A process that dies between two parts: another goes on, with the text of the
// first, although it would write another one.
func TestHandler_KilledBetweenParts_GoesOnWithTheSameText(t *testing.T) {
	t.Parallel()
	b, keeps := three(t), &store{}
	first := &script{limit: smallLimit, answers: []error{nil, errBroken}}
	if err := New(plant, first).Handle(t.Context(), keeps.attempt(b)); !errors.Is(err, errBroken) {
		t.Fatalf("got %v, want %v", err, errBroken)
	}
	second := &script{limit: 90}
	other := Config{Name: "ops", Facility: "renamed"}
	if err := New(other, second).Handle(t.Context(), keeps.attempt(b)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(partIDs(b, 1, 2, 2, 3), append(first.ids(), second.ids()...)); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(first.got[1], second.got[0]); diff != "" {
		t.Errorf("the part that was tried twice (-first +second):\n%s", diff)
	}
}

func TestHandler_KilledAfterTheLastPart_SendsNothingAgain(t *testing.T) {
	t.Parallel()
	b, keeps := three(t), &store{}
	for _, want := range []int{3, 0} {
		s := &script{limit: smallLimit}
		if err := New(plant, s).Handle(t.Context(), keeps.attempt(b)); err != nil || len(s.got) != want {
			t.Errorf("got %v and %d parts, want %d", err, len(s.got), want)
		}
	}
}

// The one case in which a part comes twice: then it has the same id.
func TestHandler_KilledBetweenAcceptAndKeep_SendsThatPartAgainUnderItsID(t *testing.T) {
	t.Parallel()
	b, keeps := three(t), &store{fails: map[int]error{3: errBroken}}
	first, second := &script{limit: smallLimit}, &script{limit: smallLimit}
	if err := New(plant, first).Handle(t.Context(), keeps.attempt(b)); !errors.Is(err, errBroken) {
		t.Fatalf("got %v, want %v", err, errBroken)
	}
	if err := New(plant, second).Handle(t.Context(), keeps.attempt(b)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(partIDs(b, 1, 2, 2, 3), append(first.ids(), second.ids()...)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// An error of Keep alone doubles nothing: the process itself knows what it sent.
func TestHandler_KeepFails_SameProcessSendsNothingTwice(t *testing.T) {
	t.Parallel()
	for failing := 1; failing <= 5; failing++ {
		b, keeps := three(t), &store{fails: map[int]error{failing: errBroken, failing + 1: errBroken}}
		s := &script{limit: smallLimit}
		h := New(plant, s)
		tries := 1
		for ; h.Handle(t.Context(), keeps.attempt(b)) != nil; tries++ {
			if tries > 5 {
				t.Fatalf("note %d fails: no end", failing)
			}
		}
		if diff := cmp.Diff(partIDs(b, 1, 2, 3), s.ids()); diff != "" {
			t.Errorf("note %d fails, %d tries (-want +got):\n%s", failing, tries, diff)
		}
	}
}

func TestHandler_LastNoteFails_IsDoneAllTheSame(t *testing.T) {
	t.Parallel()
	b, s, keeps := batch(t, outage("a", 1)), &script{}, &store{fails: map[int]error{2: errBroken}}
	h := New(plant, s)
	for range 2 { // and again, if the batch could not be completed
		if err := h.Handle(t.Context(), keeps.attempt(b)); err != nil {
			t.Errorf("got %v", err)
		}
	}
	if len(s.got) != 1 {
		t.Errorf("got %d parts, want 1", len(s.got))
	}
}

func TestHandler_IgnoresNotesThatAreNotItsBatchs(t *testing.T) {
	t.Parallel()
	other, keeps := three(t), &store{}
	if err := New(plant, &script{limit: smallLimit, answers: []error{nil, errBroken}}).Handle(t.Context(), keeps.attempt(other)); err == nil {
		t.Fatal("got nil, want an error")
	}
	b := batch(t, outage("a", 1))
	empty := fmt.Sprintf(`{"batch":%q,"sent":0,"rest":[]}`, b.ID)
	negative := fmt.Sprintf(`{"batch":%q,"sent":-1,"rest":["x","y"]}`, b.ID)
	for name, note := range map[string][]byte{
		"another batch": keeps.note, "none": nil, "no JSON": []byte("{"), "damaged": []byte("z\x00\x01"), "no parts": []byte(empty), "negative": []byte(negative),
	} {
		s := &script{}
		if err := New(plant, s).Handle(t.Context(), (&store{note: note}).attempt(b)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff([]string{b.ID.String()}, s.ids()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// What another worker noted counts, not what this one remembers of before.
func TestHandler_NoteThatIsFurtherWins(t *testing.T) {
	t.Parallel()
	b, keeps := three(t), &store{}
	s := &script{limit: smallLimit, answers: []error{nil, errBroken}}
	h := New(plant, s)
	if err := h.Handle(t.Context(), keeps.attempt(b)); err == nil {
		t.Fatal("got nil, want an error")
	}
	if err := New(plant, &script{answers: []error{nil, errBroken}}).Handle(t.Context(), keeps.attempt(b)); err == nil {
		t.Fatal("got nil, want an error")
	}
	s.got, s.answers = nil, nil
	if err := h.Handle(t.Context(), keeps.attempt(b)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(partIDs(b, 3), s.ids()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The router tells the three apart by what they are, which its own tests check;
// here by what they say and wrap.
func TestHandler_VerdictOfErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ err, want error }{
		"transient":    {errBroken, errBroken},
		"refused":      {&RefusedError{errBroken}, sluice.Halt(errBroken)},
		"busy":         {&BusyError{errBroken, time.Minute}, sluice.RetryAfter(errBroken, time.Minute)},
		"busy too far": {&BusyError{errBroken, 9 * time.Hour}, sluice.RetryAfter(errBroken, time.Hour)},
		"no room":      {nil, sluice.Halt(errBroken)},
	} {
		s := &script{answers: []error{c.err}}
		if name == "no room" {
			s.limit = 10
		}
		err := New(plant, s).Handle(t.Context(), batch(t, outage("a", 1)))
		if err == nil || !strings.HasPrefix(err.Error(), "report to ops: ") || (c.err != nil && !errors.Is(err, errBroken)) {
			t.Errorf("%s: got %v", name, err)
		}
		// %#v has the type, and the delay of RetryAfter.
		got, want := shape(err), shape(c.want)
		if name == "transient" {
			want = shape(fmt.Errorf("x: %w", errBroken))
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// shape is the type of an error and the numbers in it.
func shape(err error) string {
	text := fmt.Sprintf("%T", err)
	if _, after, ok := strings.Cut(fmt.Sprintf("%#v", err), "after:"); ok {
		text += " " + strings.TrimRight(after, "}")
	}
	return text
}

func TestHandler_KeepsTheContractOfHandlers(t *testing.T) {
	t.Parallel()
	b := three(t)
	b.Messages = append(b.Messages, sluice.Message{Payload: []byte("\xff")})
	s := &script{limit: smallLimit}
	if bad := sluicetest.TestHandler(t, New(plant, s), b); len(bad) != 1 || bad[0].Index != 6 {
		t.Errorf("got bad messages %v, want number 6", bad)
	}
	if diff := cmp.Diff(partIDs(b, 1, 2, 3), s.ids()); diff != "" {
		t.Errorf("parts of two attempts (-want +got):\n%s", diff)
	}
}

func TestHandler_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	b, keeps := three(t), &store{}
	s := &script{limit: smallLimit, answers: []error{nil, context.Canceled}}
	s.hook = cancel
	if err := New(plant, s).Handle(ctx, keeps.attempt(b)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// A worker that lost its claim may still be sending when the same process claims
// the batch again. The race detector is the judge.
func TestHandler_TwoWorkersShareNothingUnguarded(t *testing.T) {
	t.Parallel()
	b := three(t)
	h := New(plant, quiet{})
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if err := h.Handle(t.Context(), (&store{fails: map[int]error{2: errBroken}}).attempt(b)); err != nil && !errors.Is(err, errBroken) {
				t.Error(err)
			}
		})
	}
	both.Wait()
}

type quiet struct{}

func (quiet) Limit() int                        { return smallLimit }
func (quiet) Send(context.Context, *Part) error { return nil }

func TestHandler_Reported(t *testing.T) {
	t.Parallel()
	b := batch(t,
		outage("a", 1), outage("muted", 1, muted), outage("flaps", 2, flapBegan), outage("flaps", 3, flapOn),
		recovery("a", 1, 4), outage("a", 5), outage("a", 5), recovery("z", -1, 4), steadied("y", up), restarted(1, 1),
	)
	b.Messages = append(b.Messages, sluice.Message{Payload: []byte("\xff")})
	reported := func(device string, down float64) *event {
		return &event{
			Kind: sluicev1.PresenceKind_PRESENCE_KIND_REPORTED, Device: device, DownAt: sec(down), At: sec(60),
			Receiver: "ops", Report: b.ID.String(),
		}
	}
	want := []*event{reported("a", 1), reported("flaps", 2), reported("a", 5)}
	if diff := cmp.Diff(want, New(plant, &script{}).Reported(b, at(60)), protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHandler_ReportedHasAllOfAStorm(t *testing.T) {
	t.Parallel()
	h := New(plant, &script{})
	if got := len(h.Reported(batch(t, outages(450, 1)...), noon)); got != 450 {
		t.Errorf("got %d events, want 450", got)
	}
	if got := h.Reported(batch(t, recovery("a", 1, 2)), noon); got != nil {
		t.Errorf("got %v, want none", got)
	}
}
