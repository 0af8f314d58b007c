package outagetest

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

// patience bounds every wait: far more than a slow machine needs.
const patience = 60 * time.Second

// stub is a receiver of reports: GroupMe's API and a webhook at once.
type stub struct {
	*httptest.Server

	mu     sync.Mutex
	status int // what requests are answered; 0 means 202
	posts  []post
	tries  int
}

// post is one request that was accepted.
type post struct {
	at   time.Time
	path string
	id   string // Idempotency-Key
	text string
	body []byte
}

func newStub(t testing.TB) *stub {
	t.Helper()
	s := &stub{}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *stub) serve(w http.ResponseWriter, r *http.Request) {
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
		s.posts = append(s.posts, post{time.Now(), r.URL.Path, r.Header.Get("Idempotency-Key"), text.Text, body})
		w.WriteHeader(http.StatusAccepted)
	}
}

// answer makes every later request be answered with a status; 0 accepts them.
func (s *stub) answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// accepted returns what was accepted.
func (s *stub) accepted() []post {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.posts)
}

// await waits until n reports hold all the texts.
func (s *stub) await(t testing.TB, n int, texts ...string) []post {
	t.Helper()
	var found []post
	testenv.Eventually(t, patience, func() error {
		found = s.with(texts...)
		if len(found) < n {
			return fmt.Errorf("%d reports with %q, want %d; all: %+v", len(found), texts, n, s.accepted())
		}
		return nil
	})
	return found
}

// with returns the reports that hold all the texts.
func (s *stub) with(texts ...string) (found []post) {
	for _, p := range s.accepted() {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(p.text, text) }) {
			found = append(found, p)
		}
	}
	return found
}

// awaitPath waits for a report at a path and returns the first.
func (s *stub) awaitPath(t testing.TB, path string) (found post) {
	t.Helper()
	testenv.Eventually(t, patience, func() error {
		all := s.accepted()
		i := slices.IndexFunc(all, func(p post) bool { return p.path == path })
		if i < 0 {
			return fmt.Errorf("nothing came at %s; all: %+v", path, all)
		}
		found = all[i]
		return nil
	})
	return found
}

// tried counts all requests.
func (s *stub) tried() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tries
}
