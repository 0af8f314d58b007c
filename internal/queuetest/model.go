package queuetest

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"

	"sluice"
)

// Model cuts messages into batches as a queue must that takes one after the other.
type Model struct {
	Sealed [][]string
	Open   []string
	bytes  int64
}

// Push adds a message.
func (m *Model) Push(p sluice.Policy, payload string) {
	size := int64(len(payload))
	if (p.MaxBytes > 0 && m.bytes+size > p.MaxBytes) || (p.Max > 0 && len(m.Open) >= p.Max) {
		m.Seal()
	}
	m.Open, m.bytes = append(m.Open, payload), m.bytes+size
	if len(m.Open) == p.Max {
		m.Seal()
	}
}

// Seal seals what is open.
func (m *Model) Seal() {
	if len(m.Open) > 0 {
		m.Sealed = append(m.Sealed, m.Open)
		m.Open, m.bytes = nil, 0
	}
}

// Append appends a group of at least that many messages under a policy, both drawn, to the
// queue of a session and to the model, and compares.
func (m *Model) Append(rt *rapid.T, s *Session, atLeast int) {
	p := sluice.Policy{
		Max:      rapid.SampledFrom([]int{-1, 1, 2, 3, 7, 50}).Draw(rt, "max"),
		MaxBytes: rapid.SampledFrom([]int64{-1, 1, 5, 30, 200}).Draw(rt, "max bytes"), Timeout: sluice.Never,
	}.Resolve()
	var payloads []string
	for _, n := range rapid.SliceOfN(rapid.IntRange(0, 40), atLeast, 60).Draw(rt, "sizes") {
		payloads = append(payloads, strings.Repeat(fmt.Sprint(n%10), n))
	}
	before := len(m.Sealed)
	for _, payload := range payloads {
		m.Push(p, payload)
	}
	receipt := s.Append(s.Group(p, payloads...))
	if len(payloads) > 0 && (receipt.Parts[0].Sealed != len(m.Sealed)-before || receipt.Parts[0].Open != len(m.Open)) {
		rt.Fatalf("got receipt %+v, want %d sealed, %d open", receipt, len(m.Sealed)-before, len(m.Open))
	}
}
