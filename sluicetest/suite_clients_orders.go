package sluicetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sluice"
)

// orderTests play everything that can happen to a will, in every order.
var orderTests = []clientTest{
	{name: "Will_InEveryOrder_IsDealtWithOnce", run: func(r *clientRig) {
		r.hold()
		b, n := r.replica("b"), 0
		for _, leave := range []string{"disconnect", "leave"} {
			for _, connect := range []string{"connect", "clean"} {
				for _, steps := range permutations([]string{"will", "will", leave, connect, "inherit"}) {
					n++
					newWillStory(r, b, fmt.Sprint("x", n)).play(steps)
				}
			}
		}
		if n != 4*60 {
			r.Fatalf("%d orders, want 240", n)
		}
	}},
}

// permutations returns the different orders of words.
func permutations(words []string) (out [][]string) {
	if len(words) == 0 {
		return [][]string{nil}
	}
	seen := map[string]bool{}
	for i, w := range words {
		if seen[w] {
			continue
		}
		seen[w] = true
		rest := slices.Delete(slices.Clone(words), i, i+1)
		for _, p := range permutations(rest) {
			out = append(out, append([]string{w}, p...))
		}
	}
	return out
}

// willStory is what happens to one will: a client connects to replica a, and may
// connect to b. It says itself what must come of it.
type willStory struct {
	r    *clientRig
	a, b *replica
	name string // of client and device
	c    sluice.Connected

	fenced, moved, finished bool
}

func newWillStory(r *clientRig, b *replica, name string) *willStory {
	r.Helper()
	s := &willStory{r: r, a: r.replica(name), b: b, name: name}
	s.c = s.connect(s.a, lasting, lastWill(name, time.Second))
	return s
}

func (s *willStory) connect(p *replica, options ...func(*sluice.ConnectRequest)) sluice.Connected {
	s.r.Helper()
	c, err := s.r.s.Connect(s.r.ctx, p.lease, p.request(s.name, 0, options...))
	s.r.ok(err)
	return c
}

// play makes the steps and checks after each whether the will was applied by it.
func (s *willStory) play(steps []string) {
	s.r.Helper()
	renewed := false
	for i, step := range steps {
		want := s.step(step)
		d, err := s.r.s.Device(s.r.ctx, s.name)
		s.r.ok(err)
		if got := d != nil && d.State == sluice.DeviceSuspect; got != want {
			s.r.Fatalf("%s: step %d makes the device suspect: %v, want %v", strings.Join(steps, ", "), i, got, want)
		}
		if want { // it is heard of, so that a second time would show
			g := s.r.group()
			g.Moves = []sluice.Move{s.r.connect(s.name, 0)}
			_, err := s.r.q.Append(s.r.ctx, g)
			s.r.ok(err)
		}
		renewed = renewed || step == "connect"
	}
	if got := s.r.client(s.name); (got.Will != nil) != renewed {
		s.r.Fatalf("%s: in the end the client is %+v", strings.Join(steps, ", "), got)
	}
}

// step makes a step and tells whether it must apply the will.
func (s *willStory) step(step string) (applied bool) {
	s.r.Helper()
	mine := !s.moved && !s.finished
	switch step {
	case "will":
		g := s.a.group()
		g.Parts, g.Moves = nil, []sluice.Move{s.a.willOf(s.name, s.c, s.name, 0, time.Second)}
		_, err := s.r.q.Append(s.r.ctx, g)
		s.expect(err)
		applied = mine && !s.fenced
	case "disconnect", "leave":
		s.expect(s.r.s.Disconnect(s.r.ctx, s.a.lease, s.name, s.c.Connection, long, step == "leave"))
		if !s.fenced && step == "disconnect" {
			s.finished = true
		}
	case "connect":
		s.connect(s.b, lasting, lastWill(s.name, time.Second))
		s.moved = true
	case "clean":
		s.connect(s.b, clean)
		applied, s.moved = mine, true
	case "inherit":
		s.r.ok(s.r.q.Unlease(s.r.ctx, s.a.lease))
		for cursor, begun := "", false; !begun || cursor != ""; begun = true {
			next, _, err := s.r.s.Inherit(s.r.ctx, s.b.lease, s.b.inheritance(s.name, "", 0), cursor)
			s.r.ok(err)
			cursor = next
		}
		applied, s.fenced = mine, true
	}
	s.finished = s.finished || applied
	return applied
}

func (s *willStory) expect(err error) {
	s.r.Helper()
	if s.fenced {
		s.r.is("call of a fenced replica", err, sluice.ErrFenced)
	} else {
		s.r.ok(err)
	}
}
