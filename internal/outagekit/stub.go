package outagekit

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/internal/testenv"
)

// Patience bounds every wait: far more than a slow machine needs.
const Patience = 60 * time.Second

// Stub is a receiver of reports: GroupMe's API and a webhook at once.
type Stub struct {
	*httptest.Server

	mu     sync.Mutex
	status int // what requests are answered; 0 means 202
	posts  []Post
	tries  int
}

// Post is one request that was accepted.
type Post struct {
	At   time.Time
	Path string
	ID   string // Idempotency-Key
	Text string
	Body []byte
}

// NewStub starts a stub that accepts everything. It is closed when the test ends.
func NewStub(t testing.TB) *Stub {
	t.Helper()
	s := &Stub{}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *Stub) serve(w http.ResponseWriter, r *http.Request) {
	var body json.RawMessage
	var text struct {
		Text string `json:"text"`
	}
	err := json.NewDecoder(r.Body).Decode(&body)
	if err == nil {
		err = json.Unmarshal(body, &text)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	switch {
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
	case s.status != 0:
		w.WriteHeader(s.status)
	default:
		s.posts = append(s.posts, Post{time.Now(), r.URL.Path, r.Header.Get("Idempotency-Key"), text.Text, body})
		w.WriteHeader(http.StatusAccepted)
	}
}

// Answer makes every later request be answered with a status; 0 accepts them.
func (s *Stub) Answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// Accepted returns what was accepted.
func (s *Stub) Accepted() []Post {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.posts)
}

// Await waits until n reports hold all the texts.
func (s *Stub) Await(t testing.TB, n int, texts ...string) []Post {
	t.Helper()
	var found []Post
	testenv.Eventually(t, Patience, func() error {
		found = s.With(texts...)
		if len(found) < n {
			return fmt.Errorf("%d reports with %q, want %d; all: %+v", len(found), texts, n, s.Accepted())
		}
		return nil
	})
	return found
}

// With returns the reports that hold all the texts.
func (s *Stub) With(texts ...string) (found []Post) {
	for _, p := range s.Accepted() {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(p.Text, text) }) {
			found = append(found, p)
		}
	}
	return found
}

// AwaitPath waits for a report at a path and returns the first.
func (s *Stub) AwaitPath(t testing.TB, path string) (found Post) {
	t.Helper()
	testenv.Eventually(t, Patience, func() error {
		all := s.Accepted()
		i := slices.IndexFunc(all, func(p Post) bool { return p.Path == path })
		if i < 0 {
			return fmt.Errorf("nothing came at %s; all: %+v", path, all)
		}
		found = all[i]
		return nil
	})
	return found
}

// Tried counts all requests.
func (s *Stub) Tried() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tries
}
