package api

import (
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// streamLimit counts the open streams of each reader. Safe for concurrent use.
type streamLimit struct {
	most int

	mu   sync.Mutex
	open map[string]int // by name of the reader, without zeros
}

func newStreamLimit(most int) *streamLimit { return &streamLimit{most: most, open: map[string]int{}} }

// enter counts one more stream of the reader of that name until leave is called,
// once; or refuses with RESOURCE_EXHAUSTED.
func (l *streamLimit) enter(name string) (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[name] >= l.most {
		return nil, status.Errorf(codes.ResourceExhausted, "%s %d streams open, the most allowed; end one first", who(name), l.most)
	}
	l.open[name]++
	return func() { l.leave(name) }, nil
}

func who(name string) string {
	if name == "" {
		return "there are" // without TLS all readers are one
	}
	return "client " + name + " has"
}

func (l *streamLimit) leave(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[name]--; l.open[name] == 0 {
		delete(l.open, name)
	}
}
