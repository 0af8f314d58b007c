package notify

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice"
)

func TestProgress_NoteIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Just(strings.Repeat("dev-1 down since\n", 200)))
		p := progress{
			Batch: sluice.NewBatchID(), Sent: rapid.IntRange(1, 30).Draw(t, "sent"),
			Rest: rapid.SliceOfN(text, 0, 9).Draw(t, "rest"),
		}
		note, err := p.note()
		if err != nil {
			t.Fatal(err)
		}
		got, ok := readNote(note, p.Batch)
		if !ok {
			t.Fatalf("not read: %q", note)
		}
		if diff := cmp.Diff(p, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		if _, ok := readNote(note, sluice.NewBatchID()); ok {
			t.Fatal("read as the note of another batch")
		}
	})
}

// Batch.Keep is for a few KiB. The longest text that there is, with names that do
// not compress:
func TestProgress_NoteStaysSmall(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var events []*event
	for i := range 300 {
		events = append(events, outage(fmt.Sprintf("sensor-%012x", random.Uint64()>>16), float64(i)*3.7, alive(5000)))
	}
	texts, err := Split(compose(events...).Text(), id, 1000)
	if err != nil {
		t.Fatal(err)
	}
	p := progress{Batch: sluice.NewBatchID(), Rest: texts}
	note, err := p.note()
	if err != nil || len(note) > 4<<10 {
		t.Errorf("got a note of %d bytes for %d parts (%v), want at most 4 KiB", len(note), len(texts), err)
	}
	t.Logf("%d parts, %d bytes of note", len(texts), len(note))
}

func TestProgress_ShortNoteIsReadable(t *testing.T) {
	t.Parallel()
	p := progress{Batch: sluice.BatchID{1}, Sent: 1, Rest: []string{"two"}}
	note, err := p.note()
	if want := `{"batch":"01000000000000000000000000000000","sent":1,"rest":["two"]}`; err != nil || string(note) != want {
		t.Errorf("got %s (%v), want %s", note, err, want)
	}
}

// Whatever is stored there, it is read or refused.
func FuzzReadNote(f *testing.F) {
	f.Add([]byte(`{"batch":"00000000000000000000000000000000","sent":1,"rest":["two"]}`))
	f.Add([]byte("z\x03\x00"))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, note []byte) {
		if p, ok := readNote(note, sluice.BatchID{}); ok && (p.Sent < 0 || p.Sent+len(p.Rest) == 0) {
			t.Errorf("got %+v", p)
		}
	})
}
