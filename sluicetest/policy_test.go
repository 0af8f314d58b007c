package sluicetest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice"
	"sluice/sluicetest"
)

// sequences is how many random histories of a queue the property tests try.
func sequences() int {
	switch {
	case testing.Short():
		return 2_000
	case raceEnabled:
		return 10_000
	}
	return 100_000
}

// TestPolicy_HoldsExactly plays random histories of appends, pauses and Seal
// against a queue and a model at once, under random policies: every batch must
// hold the very messages that the model says, sealed at the very step.
func TestPolicy_HoldsExactly(t *testing.T) {
	t.Parallel()
	for seed := range sequences() {
		h := newHistory(t, uint64(seed))
		for range 4 + h.rnd.IntN(12) {
			h.step()
		}
		h.compare()
		if t.Failed() {
			t.Fatalf("history %d, policy %+v:\n%s", seed, h.policy, strings.Join(h.log, "\n"))
		}
	}
}

// history drives a queue and its model.
type history struct {
	t      *testing.T
	rnd    *rand.Rand
	now    time.Time
	queue  *sluicetest.Queue
	lease  sluice.Lease
	number uint64
	policy sluice.Policy // as a user writes it, with zeros
	model  *model
	sent   int
	log    []string
}

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{t: t, rnd: rand.New(rand.NewPCG(seed, 7)), now: time.Unix(1_700_000_000, 0)}
	h.queue = sluicetest.NewQueue(sluicetest.WithClock(func() time.Time { return h.now }))
	h.lease, _ = h.queue.Lease(context.Background(), "s", "a", time.Hour)
	for h.policy = h.anyPolicy(); h.policy.Check() != nil; {
		h.policy = h.anyPolicy()
	}
	h.model = newModel(h.policy)
	return h
}

// anyPolicy makes every field unset, never or small.
func (h *history) anyPolicy() sluice.Policy {
	field := func(limit int) int {
		switch h.rnd.IntN(5) {
		case 0:
			return 0
		case 1:
			return -1 - h.rnd.IntN(3)
		}
		return 1 + h.rnd.IntN(limit)
	}
	unit := 100 * time.Millisecond
	return sluice.Policy{
		Max: field(12), MaxBytes: int64(field(30)), Min: field(8),
		Timeout: time.Duration(field(20)) * unit, Linger: time.Duration(field(60)) * unit,
	}
}

func (h *history) step() {
	switch h.rnd.IntN(8) {
	case 0, 1, 2:
		h.append(1 + h.rnd.IntN(5))
	case 3:
		h.append(1 + h.rnd.IntN(40))
	case 4:
		h.pass(time.Duration(h.rnd.Int64N(int64(12 * time.Second))))
	case 5:
		h.pass(time.Duration(h.rnd.IntN(30)) * 100 * time.Millisecond)
	case 6:
		h.seal()
	case 7:
		h.sealOnTime()
	}
}

func (h *history) append(n int) {
	h.number++
	part := sluice.Part{Queue: "q", Policy: h.policy.Resolve()}
	sealed := 0
	for range n {
		payload := fmt.Sprintf("%d", h.sent) + strings.Repeat("x", h.rnd.IntN(4)*h.rnd.IntN(12))
		h.sent++
		part.Frame.Append([]byte("t"), []byte(payload), 0)
		sealed += h.model.add(payload, h.now)
	}
	receipt, err := h.queue.Append(context.Background(), &sluice.Group{Lease: h.lease, Number: h.number, Parts: []sluice.Part{part}})
	if err != nil {
		h.t.Error(err)
		return
	}
	got := receipt.Parts[0]
	h.log = append(h.log, fmt.Sprintf("append %d: %+v", n, got))
	if want := (sluice.PartReceipt{Sealed: sealed, Open: len(h.model.waiting), Age: h.model.age(h.now)}); got != want {
		h.t.Errorf("receipt: got %+v, want %+v", got, want)
	}
}

func (h *history) pass(d time.Duration) {
	h.now = h.now.Add(d)
	h.log = append(h.log, "pass "+d.String())
}

func (h *history) seal() {
	got, err := h.queue.Seal(context.Background(), "q", h.policy.Resolve())
	if err != nil {
		h.t.Error(err)
	}
	h.log = append(h.log, fmt.Sprintf("seal: %+v", got))
	want := sluice.SealResult{Sealed: h.model.check(h.now)}
	want.Open, want.Age = len(h.model.waiting), h.model.age(h.now)
	if got != want {
		h.t.Errorf("Seal: got %+v, want %+v", got, want)
	}
}

// sealOnTime seals a moment before Policy.Wait says and at that time.
func (h *history) sealOnTime() {
	wait, ok := h.policy.Resolve().Wait(len(h.model.waiting), h.model.age(h.now))
	if !ok {
		h.pass(1000 * time.Hour) // never is never
		h.seal()
		return
	}
	if wait > 0 {
		h.pass(wait - 1)
		h.seal()
		h.pass(1)
	}
	h.seal()
	if len(h.model.waiting) > 0 {
		h.t.Errorf("%d messages were left after the wait of %v", len(h.model.waiting), wait)
	}
}

func (h *history) compare() {
	var sealed [][]string
	var open []string
	for _, b := range h.queue.Batches("q") {
		var payloads []string
		for _, m := range b.Messages {
			payloads = append(payloads, string(m.Payload))
		}
		if b.State == sluicetest.StateOpen {
			open = payloads
			continue
		}
		sealed = append(sealed, payloads)
	}
	equal := slices.EqualFunc(sealed, h.model.sealed, slices.Equal) && slices.Equal(open, h.model.payloads())
	if !equal { // cmp alone would take most of the test's time
		h.t.Errorf("batches (-want +got):\n%s", cmp.Diff(append(h.model.sealed, h.model.payloads()), append(sealed, open)))
	}
}

// model is the batch policy once more, as the table in the documentation says
// it: it shares no code with sluice.Policy.
type model struct {
	policy  sluice.Policy
	waiting []waiting
	sealed  [][]string
}

type waiting struct {
	payload string
	since   time.Time
}

const never = 1 << 62 // larger than anything here

func newModel(p sluice.Policy) *model {
	if p.Max == 0 {
		p.Max = 5000
	}
	if p.MaxBytes == 0 {
		p.MaxBytes = 8 * 1024 * 1024
	}
	if p.Min == 0 {
		p.Min = 1
	}
	if p.Timeout == 0 {
		p.Timeout = time.Second
	}
	if p.Linger == 0 && p.Timeout > 0 {
		p.Linger = 10 * p.Timeout
	} else if p.Linger <= 0 {
		p.Linger = never
	}
	if p.Max < 0 {
		p.Max = never
	}
	if p.MaxBytes < 0 {
		p.MaxBytes = never
	}
	if p.Min < 0 {
		p.Min = never
	}
	if p.Timeout < 0 {
		p.Timeout = never
	}
	return &model{policy: p}
}

// add takes in one message and returns how many batches it sealed.
func (m *model) add(payload string, now time.Time) int {
	before := len(m.sealed)
	bytes := len(payload)
	for _, w := range m.waiting {
		bytes += len(w.payload)
	}
	if int64(bytes) > m.policy.MaxBytes {
		m.seal()
	}
	m.waiting = append(m.waiting, waiting{payload, now})
	if len(m.waiting) == m.policy.Max {
		m.seal()
	}
	return len(m.sealed) - before
}

// check seals by age and tells whether it did.
func (m *model) check(now time.Time) bool {
	age := m.age(now)
	enough := len(m.waiting) >= m.policy.Min && age >= m.policy.Timeout
	if len(m.waiting) == 0 || (!enough && age < m.policy.Linger) {
		return false
	}
	m.seal()
	return true
}

func (m *model) age(now time.Time) time.Duration {
	if len(m.waiting) == 0 {
		return 0
	}
	return now.Sub(m.waiting[0].since)
}

func (m *model) seal() {
	if len(m.waiting) > 0 {
		m.sealed = append(m.sealed, m.payloads())
		m.waiting = nil
	}
}

func (m *model) payloads() (out []string) {
	for _, w := range m.waiting {
		out = append(out, w.payload)
	}
	return out
}
