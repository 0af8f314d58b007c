package sluicetest

import (
	"context"
	"slices"

	"sluice"
)

// listener collects the broadcasts of one Listen until it passes them on.
type listener struct {
	heard  []sluice.Broadcast // guarded by the mutex of Queue
	notify chan struct{}      // room for one: heard tells the rest
}

// Broadcast implements sluice.ClientStore.
func (q *Queue) Broadcast(ctx context.Context, b sluice.Broadcast) error {
	return q.step(ctx, func() { q.send(b) })
}

// send tells all listeners; the caller holds the mutex.
func (q *Queue) send(b sluice.Broadcast) {
	if b.Client != "" {
		b = sluice.Broadcast{Client: b.Client, Connection: b.Connection}
	}
	for l := range q.listeners {
		b.Payload = slices.Clone(b.Payload)
		l.heard = append(l.heard, b)
		select {
		case l.notify <- struct{}{}:
		default:
		}
	}
}

// Listen implements sluice.ClientStore. It loses nothing.
func (q *Queue) Listen(ctx context.Context, heard func(sluice.Broadcast)) error {
	l := &listener{notify: make(chan struct{}, 1)}
	q.mu.Lock()
	q.listeners[l] = true
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.listeners, l)
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.notify:
		}
		q.mu.Lock()
		news := l.heard
		l.heard = nil
		q.mu.Unlock()
		for _, b := range news {
			heard(b)
		}
	}
}
