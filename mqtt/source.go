package mqtt

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"sluice"
)

// reopenSpread is the longest wait before a second and later Open: when a
// broker restarts, its clients must not all come back in the same instant.
const reopenSpread = 100 * time.Millisecond

// Source opens receiving sessions with one broker. It is safe for concurrent
// use, but two sessions of one Source throw each other off: open the next one
// when the last has ended.
type Source struct {
	config   Config
	counters counters
	opened   atomic.Bool
}

var _ sluice.Source = (*Source)(nil)

// counters are the Source's; every session adds to them.
type counters struct {
	connects, reads, receivedQoS0, receivedQoS1 atomic.Uint64
	acked, droppedQoS0, stale, cut, holds       atomic.Uint64
}

// Stats are counts since the Source was made.
type Stats struct {
	// Connects counts sessions that were opened: connected and subscribed.
	Connects uint64
	// Reads counts reads of the connection that brought messages.
	Reads uint64
	// ReceivedQoS0 and ReceivedQoS1 count messages; redelivered ones again.
	ReceivedQoS0, ReceivedQoS1 uint64
	// Acked counts PUBACKs written.
	Acked uint64
	// DroppedQoS0 counts QoS 0 messages given up because nobody received them
	// in time; they are part of ReceivedQoS0.
	DroppedQoS0 uint64
	// Stale counts messages with a subscription identifier of an earlier
	// configuration, see StaleSubscription.
	Stale uint64
	// Cut counts payloads shortened to MaxPayload+1 bytes.
	Cut uint64
	// Holds counts how often reading stopped because the broker had sent more
	// than the receive maximum.
	Holds uint64
}

// NewSource returns a Source. It connects nothing; a faulty Config is reported
// by Open and by Check.
func NewSource(c Config) *Source {
	c = c.withDefaults()
	c.ClientID = cmp.Or(c.ClientID, DefaultClientID)
	return &Source{config: c}
}

// Check reports what is wrong with the configuration, without connecting.
func (s *Source) Check() error {
	if len(s.config.Filters) == 0 {
		return fmt.Errorf("mqtt: no topic filters, so there is nothing to receive")
	}
	if err := s.config.check(); err != nil {
		return fmt.Errorf("mqtt: %w", err)
	}
	return nil
}

// Stats returns the counts so far.
func (s *Source) Stats() Stats {
	c := &s.counters
	return Stats{
		Connects:     c.connects.Load(),
		Reads:        c.reads.Load(),
		ReceivedQoS0: c.receivedQoS0.Load(),
		ReceivedQoS1: c.receivedQoS1.Load(),
		Acked:        c.acked.Load(),
		DroppedQoS0:  c.droppedQoS0.Load(),
		Stale:        c.stale.Load(),
		Cut:          c.cut.Load(),
		Holds:        c.holds.Load(),
	}
}

// Open connects, resumes or creates the session, subscribes to the filters, each
// confirmed at QoS 1, and unsubscribes from obsolete ones. It tries once; ctx and Config.ConnectTimeout bound
// it, not the life of the session. A refusal of the broker is a *ReasonError.
// The caller must Close the session also after it has failed.
func (s *Source) Open(ctx context.Context, _ sluice.Lease, obsolete []string) (sluice.Session, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if s.opened.Swap(true) {
		if err := pause(ctx, rand.N(reopenSpread)); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.config.ConnectTimeout,
		fmt.Errorf("no answer within %v", s.config.ConnectTimeout))
	defer cancel()
	session, err := s.open(ctx, obsolete)
	if err != nil {
		if ctx.Err() != nil { // the deadline closed the connection under it
			err = fmt.Errorf("%w (%v)", context.Cause(ctx), err) //nolint:errorlint // err is a mere consequence
		}
		return nil, fmt.Errorf("mqtt: open session with %s: %w", s.config.URL, err)
	}
	s.counters.connects.Add(1)
	return session, nil
}

func (s *Source) open(ctx context.Context, obsolete []string) (*session, error) {
	conn, err := dial(ctx, s.config)
	if err != nil {
		return nil, err
	}
	session := newSession(s.config, conn, &s.counters)
	stop := context.AfterFunc(ctx, conn.closeNow)
	err = session.handshake(obsolete)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		session.quit(err)
		return nil, err
	}
	session.start()
	return session, nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
