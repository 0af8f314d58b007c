package access

import (
	"fmt"
	"strings"
	"testing"
)

func mustACL(t testing.TB, lines ...string) *acl {
	t.Helper()
	a, err := parseACL("acl", []byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestSubscribe(t *testing.T) {
	t.Parallel()
	r := mustACL(t,
		"topic read data/+/x",
		"topic write only/written",
		"topic read log/#",
		"topic deny log/secret/#",
		"topic deny data/b/x",
		"topic read $own/#",
	).rights("", "c")
	for filter, want := range map[string]bool{
		"data/a/x":      true,
		"data/+/+":      true,
		"data/#":        true,
		"#":             true,
		"+/+/x":         true,
		"data/+":        false,
		"data/b/x":      false,
		"data/b/+":      false,
		"+/b/x":         true, // log/b/x
		"only/written":  false,
		"only/#":        false,
		"log":           true,
		"log/#":         true,
		"log/secret":    false,
		"log/secret/+":  false,
		"log/secret/#":  false,
		"log/+/#":       true,
		"$own/a":        true,
		"+/a":           true, // log/a
		"$SYS/#":        false,
		"$share/g/log":  false,
		"$share/g/#":    false,
		"":              false,
		"log/#/x":       false,
		"log/\x00":      false,
		"unknown/topic": false,
	} {
		if got := r.Subscribe(filter); got != want {
			t.Errorf("Subscribe(%q) is %t, want %t", filter, got, want)
		}
	}
}

// A filter that Subscribe refuses matches nothing that Read allows.
func TestSubscribe_RefusesNothingReadable(t *testing.T) {
	t.Parallel()
	filters := smallFilters()
	for i, grant := range filters {
		r := &Rights{reads: []filter{grant}, denied: []filter{filters[(i*7)%len(filters)]}}
		for _, f := range filters {
			if r.Subscribe(strings.Join(f, "/")) {
				continue
			}
			for _, topic := range smallTopics {
				if f.match(topic) && r.Read(topic) {
					t.Fatalf("grant %q, deny %q: %q is refused, but %q is readable", grant, r.denied[0], f, topic)
				}
			}
		}
	}
}

func TestWrite_RemembersWithinBounds(t *testing.T) {
	t.Parallel()
	r := mustACL(t, "topic write data/+").rights("", "c")
	for round := range 2 {
		for i := range 3 * maxKnown {
			good, bad := fmt.Sprintf("data/%d", i), fmt.Sprintf("other/%d", i)
			if !r.Write([]byte(good)) || r.Write([]byte(bad)) {
				t.Fatalf("round %d: wrong for %s or %s", round, good, bad)
			}
			if len(r.known) > maxKnown {
				t.Fatalf("%d topics are remembered, want at most %d", len(r.known), maxKnown)
			}
		}
	}
	before := len(r.known)
	if !r.Write([]byte("data/"+strings.Repeat("x", maxKnownTopic))) || len(r.known) != before {
		t.Errorf("a long topic is refused or remembered")
	}
}

func TestWrite_DoesNotRetainTheTopic(t *testing.T) {
	t.Parallel()
	r := mustACL(t, "topic write data/a").rights("", "c")
	topic := []byte("data/a")
	r.Write(topic)
	topic[5] = 'b'
	if r.Write(topic) || !r.Write([]byte("data/a")) {
		t.Error("a buffer that was used again changed the answers")
	}
}

func TestWrite_AllocatesNothingForKnownTopics(t *testing.T) {
	r := mustACL(t, "pattern write data/+/%u").rights("u", "c")
	topic := []byte("data/sensor/u")
	r.Write(topic)
	if n := testing.AllocsPerRun(100, func() { r.Write(topic) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkWrite(b *testing.B) {
	a := mustACL(b, "pattern read pulse", "pattern write connect/%u", "pattern write lwt/%u", "pattern write data/+/%u", "pattern deny data/admin/#")
	topic := []byte("data/sensor/pump-1")
	b.Run("known", func(b *testing.B) {
		r := a.rights("pump-1", "pump-1")
		b.ReportAllocs()
		for b.Loop() {
			r.Write(topic)
		}
	})
	b.Run("first", func(b *testing.B) {
		r := a.rights("pump-1", "pump-1")
		b.ReportAllocs()
		for b.Loop() {
			clear(r.known)
			r.Write(topic)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	r := mustACL(b, "pattern write data/+/%u", "pattern read commands/%u", "pattern read pulse").rights("u", "c")
	b.ReportAllocs()
	for b.Loop() {
		r.Read("pulse")
	}
}

func BenchmarkRights(b *testing.B) {
	a := mustACL(b, "pattern read pulse", "pattern write connect/%u", "pattern write lwt/%u", "pattern write data/+/%u")
	b.ReportAllocs()
	for b.Loop() {
		a.rights("pump-1", "pump-1")
	}
}
