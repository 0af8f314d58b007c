package server

import (
	"sync"
	"time"
)

const (
	// settle is how long the process must have run as it should before a marker is
	// taken in: what had arrived until then has been read.
	settle = 100 * time.Millisecond
	// settleMost bounds that, for a process that never does.
	settleMost = 5 * time.Second
)

// Mark implements sluice.Session. A marker says that everything before it has come, so
// it must not overtake what lies unread in a socket because the process was stopped, or
// had no processor, or had no room, nor a CONNECT that is being judged: it is taken in
// behind them, settle later or more.
func (s *session) Mark(payload []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return errClosed
	}
	s.running.Go(func() {
		s.calm()
		s.knocks.await()
		s.inbox.mark(s.config.Sync, payload)
	})
	return nil
}

// calm waits until a wait was as long as it should be and nobody stands in line behind
// it, or the session is over.
func (s *session) calm() {
	for began := time.Now(); time.Since(began) < settleMost && !s.ended(); {
		round := time.Now()
		s.wait(settle)
		if time.Since(round) < 2*settle && !s.inbox.waiting() {
			return
		}
	}
}

// knocks are the CONNECTs that are being judged. The zero value is ready. Safe for
// concurrent use.
type knocks struct {
	mu  sync.Mutex
	now *sync.WaitGroup // those since the last await; nil: none
}

// begin counts one in; call done behind it.
func (k *knocks) begin() (done func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now == nil {
		k.now = &sync.WaitGroup{}
	}
	k.now.Add(1)
	return k.now.Done
}

// await returns when those that have begun are done.
func (k *knocks) await() {
	k.mu.Lock()
	begun := k.now
	k.now = nil
	k.mu.Unlock()
	if begun != nil {
		begun.Wait()
	}
}
