package apidocs

import (
	"bytes"
	"sync"
)

// growing is what a running command has printed. Safe for concurrent use.
type growing struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (g *growing) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.Write(p)
}

// String returns all of it.
func (g *growing) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.String()
}
