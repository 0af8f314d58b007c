package sluicetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"sluice"
)

var appendTests = []queueTest{
	{name: "Append_EmptyGroup", run: func(r *rig) {
		r.append()
		r.append()
	}},
	{name: "Append_OfSeveralQueues_AnswersEach", run: func(r *rig) {
		got := r.append(part("a", by(2, sluice.Never), numbered(0, 5)...), part("b", by(9, sluice.Never), "x"), part("c", by(1, sluice.Never), "y", "z"))
		for i := range got.Parts {
			got.Parts[i].Age = 0
		}
		want := sluice.Receipt{Parts: []sluice.PartReceipt{{Sealed: 2, Open: 1}, {Open: 1}, {Sealed: 2}}}
		same(r, "receipt", got, want)
		same(r, "batches of a", r.drain("a"), [][]string{{"m0", "m1"}, {"m2", "m3"}})
		same(r, "batches of c", r.drain("c"), [][]string{{"y"}, {"z"}})
	}},
	{name: "Append_Repeated_ReturnsFirstReceipt", run: func(r *rig) {
		r.append(part(door, by(3, sluice.Never), "first"))
		g := r.group(part(door, by(3, sluice.Never), numbered(0, 6)...))
		g.Dead = []sluice.DeadLetter{{Route: door, Topic: "t", Reason: "r"}}
		first := r.appendGroup(g)
		want := first
		want.Repeated = true
		for range 2 {
			same(r, "second receipt", r.appendGroup(g), want)
		}
		if first.Repeated || first.Dead.Open != 1 {
			r.Fatalf("first receipt: %+v", first)
		}
		if s := r.status(door); s.Account.Received != 8 || s.Account.Dead != 1 {
			r.Fatalf("got account %+v, want 8 received, 1 dead", s.Account)
		}
		r.append(part(door, by(3, sluice.Never), "last"))
	}},
	{name: "Append_NumberOfNewToken_IsNoRepeat", run: func(r *rig) {
		r.append(part(door, by(10, sluice.Never), "m1"))
		l, err := r.q.Lease(r.ctx, "s", "a", long)
		r.ok(err)
		r.lease, r.number = l, 0
		if got := r.append(part(door, by(10, sluice.Never), "m2")); got.Repeated || got.Parts[0].Open != 2 {
			r.Fatalf("got %+v, want a second message stored", got)
		}
	}},
	{name: "Append_WithGap_IsRefused", run: func(r *rig) {
		g := r.group(part(door, by(10, sluice.Never), "m"))
		for range 2 {
			g.Number = 1
			r.appendGroup(g)
			g.Number = 2
			r.appendGroup(g)
			for _, n := range []uint64{0, 1, 4, 1 << 40} {
				g.Number = n
				if _, err := r.q.Append(r.ctx, g); err == nil {
					r.Fatalf("group %d was stored after group 2", n)
				} else if errors.Is(err, sluice.ErrFenced) || errors.Is(err, sluice.ErrFull) {
					r.Fatalf("group %d after group 2: %v", n, err)
				}
			}
			l, err := r.q.Lease(r.ctx, "s", "a", long)
			r.ok(err)
			g.Lease, g.Number = l, 2
			if _, err := r.q.Append(r.ctx, g); err == nil {
				r.Fatal("group 2 of a new token was stored first")
			}
		}
		if s := r.status(door); s.Open != 4 {
			r.Fatalf("got %d messages, want 4", s.Open)
		}
	}},
	{name: "Append_RetainsNothing", run: func(r *rig) {
		g := r.group(part(door, by(1, sluice.Never), "payload"))
		r.appendGroup(g)
		clear(g.Parts[0].Frame.Data)
		same(r, "batches", r.drain(door), [][]string{{"payload"}})
	}},
	{name: "Append_TellsAgeOfFirst", run: func(r *rig) {
		r.append(part(door, by(3, sluice.Never), "m1"))
		r.pass(20 * time.Millisecond)
		got := r.append(part(door, by(3, sluice.Never), "m2")).Parts[0]
		if got.Open != 2 || got.Age < 20*time.Millisecond {
			r.Fatalf("got %+v, want 2 open, 20ms old or more", got)
		}
		got = r.append(part(door, by(3, sluice.Never), "m3", "m4")).Parts[0]
		if got.Sealed != 1 || got.Open != 1 || got.Age >= 20*time.Millisecond {
			r.Fatalf("got %+v, want 1 sealed, 1 open just now", got)
		}
		got = r.append(part(door, by(3, sluice.Never), "m5", "m6")).Parts[0]
		same(r, "receipt of an append that leaves nothing open", got, sluice.PartReceipt{Sealed: 1})
	}},
	{name: "Append_BySize_SealsExactly", run: func(r *rig) { testSizes(r, by(7, sluice.Never)) }},
	{name: "Append_ByOne_SealsEach", run: func(r *rig) { testSizes(r, by(1, sluice.Never)) }},
	{name: "Append_ByBytes_SealsBefore", run: func(r *rig) { testSizes(r, by(sluice.Never, 20)) }},
	{name: "Append_ByBoth_SealsExactly", run: func(r *rig) { testSizes(r, by(5, 25)) }},
	{name: "Append_LargerThanMaxBytes_IsAlone", run: func(r *rig) {
		large := strings.Repeat("L", 11)
		r.append(part(door, by(9, 10), "a", large, "", "b"), part("next", by(9, 10), large))
		got := r.append(part(door, by(9, 10), large, large), part("next", by(9, 10), "x"))
		if p := got.Parts[1]; p.Sealed != 1 || p.Open != 1 {
			r.Fatalf("got %+v, want the larger message sealed before the next", p)
		}
		same(r, "batches", r.drain(door), [][]string{{"a"}, {large}, {"", "b"}, {large}})
	}},
	{name: "Append_AfterMaxWasLowered", run: func(r *rig) {
		r.append(part(door, by(100, sluice.Never), numbered(0, 9)...))
		r.append(part(door, by(4, sluice.Never), numbered(9, 12)...))
		var all []string
		for i, b := range r.drain(door) {
			if i > 0 && len(b) != 4 {
				r.Errorf("batch %d has %d messages, want 4", i, len(b))
			}
			all = append(all, b...)
		}
		if s := r.status(door); len(all)+int(s.Open) != 21 {
			r.Errorf("got %d sealed, %d open, want 21", len(all), s.Open)
		}
		same(r, "messages", all, numbered(0, len(all)))
	}},
	{name: "Append_KeepsEveryByte", run: testHostile},
	{name: "Append_FromManySessions_LosesNothing", run: testSessions},
}

// testSizes appends random groups and compares the batches with a naive split.
func testSizes(r *rig, p sluice.Policy) {
	rnd := rand.New(rand.NewPCG(1, uint64(p.Max)))
	var open []string
	for i := range 25 {
		group := make([]string, 1+rnd.IntN(20))
		for j := range group {
			group[j] = strings.Repeat("x", rnd.IntN(10)*rnd.IntN(4)) + fmt.Sprint(i, j)[:rnd.IntN(3)]
		}
		sealed, rest := split(append(open, group...), p)
		got := r.append(part(door, p, group...)).Parts[0]
		got.Age = 0
		same(r, "receipt", got, sluice.PartReceipt{Sealed: len(sealed), Open: len(rest)})
		same(r, "batches", r.drain(door), sealed)
		open = rest
	}
}

// split cuts payloads into batches as sealing by size must.
func split(payloads []string, p sluice.Policy) (sealed [][]string, open []string) {
	for _, m := range payloads {
		size := int64(len(strings.Join(open, "") + m))
		if len(open) > 0 && p.MaxBytes > 0 && size > p.MaxBytes {
			sealed, open = append(sealed, open), nil
		}
		open = append(open, m)
		if len(open) == p.Max {
			sealed, open = append(sealed, open), nil
		}
	}
	return sealed, open
}

// testHostile carries payloads and topics of every size and of every byte that
// may mean something to a store, through two attempts and several batches.
func testHostile(r *rig) {
	allBytes := make([]byte, 256)
	for i := range allBytes {
		allBytes[i] = byte(i)
	}
	rnd := rand.NewChaCha8([32]byte{})
	large := make([]byte, sluice.MaxPayload)
	_, _ = rnd.Read(large) // never fails
	huge := make([]byte, 1<<20)
	_, _ = rnd.Read(huge)
	var want []sluice.Message
	for _, size := range []int{0, 1, 2, 13, 14, 15, 127, 128, 255, 256, 4095, 4096, 65535 - 14, sluice.MaxPayload} {
		want = append(want, sluice.Message{Topic: "t", Payload: large[:min(size, len(large))]})
	}
	for _, payload := range []string{"", "\x00", "\r\n", "*1\r\n$4\r\nPING\r\n", "nil", "-1", "1e400", "{}", "'", `"`, "\xff\xfe", string(allBytes), string(huge)} {
		want = append(want, sluice.Message{Topic: "t", Payload: []byte(payload)})
	}
	for _, topic := range []string{"t", " ", "/", "a//b", "a\r\nb", "'; DROP", `a"b\c`, "{tag}", "$x", "ä€😀", "\x7f", strings.Repeat("é", 32767), "__proto__"} {
		want = append(want, sluice.Message{Topic: topic, Payload: []byte("p")})
	}
	p := sluice.Part{Queue: `data/{device}/ "q"` + "\n", Policy: by(9, sluice.Never)}
	for i := range want {
		received := []int64{0, 1, 999_999, 1_763_000_000_123_456, 1 << 53, 1<<53 + 1, -1}[i%7]
		want[i].Received = time.UnixMicro(received)
		p.Frame.Append([]byte(want[i].Topic), want[i].Payload, received)
	}
	r.append(p)
	sealed := len(want) / 9 * 9
	var got []sluice.Message
	for len(got) < sealed {
		first := r.claim(p.Queue)
		r.release(first, sluice.Retry{Reason: "again: \x00\n\"'"})
		c := r.claim(p.Queue)
		same(r, "messages of a second attempt", c.Batch.Messages, first.Batch.Messages)
		got = append(got, c.Batch.Messages...)
		r.complete(c)
	}
	same(r, "messages", got, want[:sealed])
}

// testSessions appends to one queue from several sessions at once: nothing is
// lost, and the messages of each session keep their order.
func testSessions(r *rig) {
	const sessions, groups, size = 4, 15, 5
	var wg sync.WaitGroup
	for s := range sessions {
		wg.Go(func() {
			name := fmt.Sprint("session", s)
			l, err := r.q.Lease(r.ctx, name, "a", long)
			for i := range groups {
				g := &sluice.Group{Lease: l, Number: uint64(i) + 1}
				p := sluice.Part{Queue: door, Policy: by(10, sluice.Never)}
				for j := range size {
					p.Frame.Append([]byte(name), fmt.Append(nil, i*size+j), 0)
				}
				g.Parts = []sluice.Part{p}
				if err == nil {
					_, err = r.q.Append(r.ctx, g)
				}
			}
			if err != nil {
				r.Error(err)
			}
		})
	}
	wg.Wait()
	next := map[string]int{}
	for range sessions * groups * size / 10 {
		c := r.claim(door)
		for _, m := range c.Batch.Messages {
			if string(m.Payload) != fmt.Sprint(next[m.Topic]) {
				r.Fatalf("%s: got message %s, want %d", m.Topic, m.Payload, next[m.Topic])
			}
			next[m.Topic]++
		}
		r.complete(c)
	}
	if s := r.status(door); s.Account.Stored != sessions*groups*size || s.Queued() != 0 {
		r.Fatalf("got %+v", s)
	}
}
