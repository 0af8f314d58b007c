package reread_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sluice/internal/reread"
)

// world is a value of one file, with counts of what it did.
type world struct {
	testing.TB
	*reread.Value[string]
	path         string
	tries, stays int
	ended        bool
}

var errHalf = errors.New("half written")

func newWorld(t testing.TB) *world {
	w := &world{TB: t, path: filepath.Join(t.TempDir(), "f")}
	w.Value = &reread.Value[string]{
		Files: []string{w.path, ""}, Make: w.read,
		Stays: func(error) { w.stays++ },
		Ended: func(*string) bool { return w.ended },
	}
	return w
}

func (w *world) read() (*string, error) {
	w.tries++
	b, err := os.ReadFile(w.path)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(string(b), "half") {
		return nil, errHalf
	}
	text := string(b)
	return &text, nil
}

func (w *world) write(text string) {
	w.Helper()
	if err := os.WriteFile(w.path, []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// gives wants Get to return a text, after so many tries and words that the old one stays.
func (w *world) gives(want string, tries, stays int) {
	w.Helper()
	got, err := w.Get()
	if err != nil || *got != want || w.tries != tries || w.stays != stays {
		w.Errorf("got %v, %v after %d tries, %d words; want %q, %d, %d", got, err, w.tries, w.stays, want, tries, stays)
	}
}

func (w *world) fails(want error, tries, stays int) {
	w.Helper()
	got, err := w.Get()
	if got != nil || !errors.Is(err, want) || w.tries != tries || w.stays != stays {
		w.Errorf("got %v, %v after %d tries, %d words; want %v, %d, %d", got, err, w.tries, w.stays, want, tries, stays)
	}
}

func TestValue_FollowsItsFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fails(os.ErrNotExist, 1, 0)
	w.write("one")
	w.gives("one", 2, 0)
	w.gives("one", 2, 0) // not read again
	w.write("half")
	w.gives("one", 3, 1)
	w.gives("one", 4, 1) // tried again, told once
	w.write("half of it")
	w.gives("one", 5, 2)
	w.write("the second")
	w.gives("the second", 6, 2)
	w.gives("the second", 6, 2)
}

func TestValue_ThatHasEnded_DoesNotStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("one")
	w.gives("one", 1, 0)
	w.ended = true
	w.gives("one", 1, 0) // whoever it is shown to says so
	w.write("half")
	w.fails(errHalf, 2, 1)
	w.write("the second")
	w.gives("the second", 3, 1)
}

func TestValue_ManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("one")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if got, err := w.Get(); err != nil || *got != "one" {
					t.Errorf("got %v, %v", got, err)
				}
			}
		})
	}
	all.Wait()
	w.gives("one", 1, 0)
}

func TestPair_NamesBothFiles(t *testing.T) {
	t.Parallel()
	_, err := reread.Pair("no.crt", "no.key")()
	if !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "cert no.crt, key no.key: ") {
		t.Errorf("got %v", err)
	}
}
