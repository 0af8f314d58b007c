package server

import (
	"context"
	"errors"
	"time"

	"sluice"
)

// maxCalls is how many calls of the registry run at once, the rest waits: each takes a
// connection to the store with its buffers, some 128 KiB, and stands before the next
// append there. When ten thousand clients come and go at once more of them make the
// store no faster.
const maxCalls = 32

// call bounds a call of the registry, the wait for its turn included. When that says
// that the lease is another's, the session ends.
func (s *session) call(do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(s.ctx, s.config.CallTimeout)
	defer cancel()
	select {
	case s.server.calls <- struct{}{}:
		defer func() { <-s.server.calls }()
	case <-ctx.Done():
		return ctx.Err()
	}
	err := do(ctx)
	if errors.Is(err, sluice.ErrFenced) {
		s.fail(err)
	}
	return err
}

const (
	// disconnectRetry is how long after a failed call the registry is told again of the
	// end of a connection; it doubles up to disconnectRetryMax.
	disconnectRetry    = 100 * time.Millisecond
	disconnectRetryMax = 5 * time.Second
)

// disconnect tells the registry, again and again until it knows: else it would take
// the device for lost when the session ends.
func (s *session) disconnect(c *connection, will bool) {
	for pause := disconnectRetry; !s.ended(); pause = min(2*pause, disconnectRetryMax) {
		err := s.call(func(ctx context.Context) error {
			return s.config.Registry.Disconnect(ctx, s.lease, c.client, c.number, c.keep, will)
		})
		if err == nil || errors.Is(err, sluice.ErrFenced) {
			return
		}
		s.wait(pause)
	}
}
