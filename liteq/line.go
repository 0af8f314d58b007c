package liteq

import (
	"slices"
	"sync"
)

// request is a step that waits for its turn.
type request struct {
	work  func(now int64) error
	write write
	joins bool       // it may be made together with others that join
	done  chan error // gets what became of it
}

// maxJoined is how many requests are made in one step.
const maxJoined = 256

// line has the requests that wait, in order. Safe for concurrent use.
type line struct {
	mu  sync.Mutex
	all []*request
}

func (l *line) add(r *request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, r)
}

// take takes the next request, and those behind it that may be made with it.
func (l *line) take() []*request {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(1, len(l.all))
	for n > 0 && n < min(len(l.all), maxJoined) && l.all[0].joins && l.all[n].joins {
		n++
	}
	taken := slices.Clone(l.all[:n])
	clear(l.all[:n])
	l.all = l.all[n:]
	return taken
}

// leave takes a request out; false: it was taken.
func (l *line) leave(r *request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.all, r)
	if i >= 0 {
		l.all = slices.Delete(l.all, i, i+1)
	}
	return i >= 0
}
