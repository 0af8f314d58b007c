package redisq_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice"
	"sluice/internal/testenv"
	"sluice/redisq"
)

// A policy may change between two appends (a new configuration); the batches are
// those of a queue that takes one message after the other.
func TestAppend_UnderChangingPolicies_CutsExactly(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t, testenv.Config("appendfsync no"))
	rapid.Check(t, func(rt *rapid.T) {
		c := redisq.Config{URL: server.URL(), Profile: redisq.Fast, Facility: fmt.Sprintf("plant-%d", facilities.Add(1))}
		q, err := redisq.Open(t.Context(), c)
		if err != nil {
			rt.Fatal(err)
		}
		defer q.Close()
		s := newSession(t, q)
		var m model
		for range rapid.IntRange(1, 8).Draw(rt, "groups") {
			p := sluice.Policy{
				Max:      rapid.SampledFrom([]int{-1, 1, 2, 3, 7, 50}).Draw(rt, "max"),
				MaxBytes: rapid.SampledFrom([]int64{-1, 1, 5, 30, 200}).Draw(rt, "max bytes"), Timeout: sluice.Never,
			}.Resolve()
			var payloads []string
			for _, n := range rapid.SliceOfN(rapid.IntRange(0, 40), 0, 60).Draw(rt, "sizes") {
				payloads = append(payloads, strings.Repeat(fmt.Sprint(n%10), n))
			}
			before := len(m.sealed)
			for _, payload := range payloads {
				m.push(p, payload)
			}
			receipt := s.append(s.group(p, payloads...))
			if len(payloads) > 0 && (receipt.Parts[0].Sealed != len(m.sealed)-before || receipt.Parts[0].Open != len(m.open)) {
				rt.Fatalf("got receipt %+v, want %d sealed, %d open", receipt, len(m.sealed)-before, len(m.open))
			}
		}
		status(t, q, door)
		if diff := cmp.Diff(m.sealed, drain(t, q, door)); diff != "" {
			rt.Fatalf("batches (-want +got):\n%s", diff)
		}
	})
}

type model struct {
	sealed [][]string
	open   []string
	bytes  int64
}

func (m *model) push(p sluice.Policy, payload string) {
	size := int64(len(payload))
	if (p.MaxBytes > 0 && m.bytes+size > p.MaxBytes) || (p.Max > 0 && len(m.open) >= p.Max) {
		m.seal()
	}
	m.open, m.bytes = append(m.open, payload), m.bytes+size
	if len(m.open) == p.Max {
		m.seal()
	}
}

func (m *model) seal() {
	if len(m.open) > 0 {
		m.sealed = append(m.sealed, m.open)
		m.open, m.bytes = nil, 0
	}
}
