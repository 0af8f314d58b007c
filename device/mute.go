package device

import (
	"math"
	"sync"
	"time"
)

// mute is the time until which a device sends no readings. Safe for concurrent
// use.
type mute struct {
	// changed wakes the one who sends; capacity 1, since it looks at everything.
	changed chan struct{}

	mu    sync.Mutex // guards the rest
	until time.Time
	ever  bool
}

func newMute() *mute { return &mute{changed: make(chan struct{}, 1)} }

// set begins a mute time anew: d from now, for ever when d is not above 0.
func (m *mute) set(d time.Duration) {
	m.mu.Lock()
	m.until, m.ever = time.Now().Add(d), d <= 0
	m.mu.Unlock()
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// left returns how long the device stays mute, 0 for not at all.
func (m *mute) left() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ever {
		return math.MaxInt64
	}
	return max(time.Until(m.until), 0)
}
