package redisq_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice"
	"sluice/internal/queuetest"
	"sluice/internal/testenv"
	"sluice/redisq"
)

// hostile are names as a device could choose them.
var hostile = []string{"", "{other}", "a}b{", "x\r\nFLUSHALL\r\n", "\x00\xff", "quota:1", "';--", strings.Repeat("n", 60_000)}

func TestKeys_CarryTheTag_AndNoNameOfADevice(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	q, raw := open(t, server, redisq.Config{Facility: "plant"}), connect(t, server)
	s := queuetest.NewSession(t, q)
	g := s.Group(queuetest.BySize(3, sluice.Never))
	part := sluice.Part{Queue: queuetest.Door, Policy: queuetest.BySize(3, sluice.Never)}
	for _, name := range hostile {
		part.Frame.Append([]byte(name), []byte(name), 1)
		g.Dead = append(g.Dead, sluice.DeadLetter{Route: queuetest.Door, Device: name, Topic: name, Payload: []byte(name), Reason: name})
	}
	g.Parts = []sluice.Part{part}
	s.Append(g)
	c := queuetest.Claim(t, q, queuetest.Door)
	o := sluice.Outcome{}
	for i, m := range c.Batch.Messages {
		o.Dead = append(o.Dead, queuetest.Letter(c, i, m.Topic))
	}
	if err := q.Complete(t.Context(), c, o); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Seal(t.Context(), sluice.QueueDead, sluice.Policy{Timeout: time.Microsecond}.Resolve()); err != nil {
		t.Fatal(err)
	}
	if err := q.Release(t.Context(), queuetest.Claim(t, q, queuetest.Door), sluice.Retry{Reason: hostile[3], Halted: true}); err != nil {
		t.Fatal(err)
	}
	names, err := do(t, raw, "KEYS", "*").AsStrSlice()
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, name := range names {
		rest, ok := strings.CutPrefix(name, "sluice:{plant}:")
		kind, rest, _ := strings.Cut(rest, ":")
		if !ok {
			t.Errorf("key %q is not under the tag", name)
		}
		switch kind {
		case "state", "open", "sealed", "taken", "session", "record":
			if rest != queuetest.Door && rest != sluice.QueueDead && rest != "s" {
				t.Errorf("key %q has a name from outside", name)
			}
		case "store", "batch", "quota":
			if strings.Trim(rest, "0123456789abcdef") != "" {
				t.Errorf("key %q has a name from outside", name)
			}
		default:
			t.Errorf("key %q is of an unknown kind", name)
		}
		kinds = append(kinds, kind)
	}
	if len(kinds) < 9 {
		t.Errorf("only saw keys %q", names)
	}
	if got := len(queuetest.Claim(t, q, sluice.QueueDead).Batch.Messages); got != len(hostile)+3 {
		t.Errorf("got %d dead letters, want %d", got, len(hostile)+3)
	}
}

// Beyond its quota every 1000th letter of a device is kept.
func TestDeadQuota_KeepsASample(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	s := queuetest.NewSession(t, open(t, server, redisq.Config{DeadPerDevice: 10}))
	for range 3 {
		g := s.Group(queuetest.BySize(3, sluice.Never))
		for range 700 {
			g.Dead = append(g.Dead, sluice.DeadLetter{Route: queuetest.Door, Device: strings.Repeat("long", 50)})
		}
		s.Append(g)
	}
	want := sluice.Account{Received: 2100, Dead: 12, Dropped: map[string]int64{sluice.DropDeadQuota: 2088}}
	if diff := cmp.Diff(want, queuetest.Status(t, s.Q, queuetest.Door).Account); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
	if got := queuetest.Status(t, s.Q, sluice.QueueDead).Queued(); got != 12 {
		t.Errorf("got %d dead letters, want 12", got)
	}
}

// However many names devices invent, the quota's hash does not grow without end.
func TestDeadQuota_OfManyDevices_IsBounded(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	s, raw := queuetest.NewSession(t, open(t, server, redisq.Config{Facility: "plant", DeadPerDevice: 2})), connect(t, server)
	// Both this hour and the next, should it begin meanwhile.
	do(t, raw, "EVAL", `local hour = math.floor(redis.call('TIME')[1] / 3600)
		for h = hour, hour + 1 do for i = 1, 100000 do redis.call('HSET', KEYS[1] .. h, 'd' .. i, 1) end end`, "1", "sluice:{plant}:quota:")
	g := s.Group(queuetest.BySize(3, sluice.Never))
	for _, device := range []string{"d1", "d1", "new1", "new2", "new3", "d2"} {
		g.Dead = append(g.Dead, sluice.DeadLetter{Route: queuetest.Door, Device: device})
	}
	s.Append(g)
	want := sluice.Account{Received: 6, Dead: 4, Dropped: map[string]int64{sluice.DropDeadQuota: 2}} // d1 once, d2 once, two new ones
	if diff := cmp.Diff(want, queuetest.Status(t, s.Q, queuetest.Door).Account); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
}
