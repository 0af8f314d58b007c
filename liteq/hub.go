package liteq

import (
	"bytes"
	"context"
	"sync"

	"sluice"
)

// maxNews is how much a listener may be behind before it loses what is new: it may be
// lost, and memory is bounded.
const maxNews = 10_000

// hub passes on what is sent to everyone who listens. Its zero value is ready. Safe for
// concurrent use.
type hub[T any] struct {
	mu        sync.Mutex
	listeners map[*listener[T]]bool
}

type listener[T any] struct {
	news   []T           // guarded by hub.mu
	notify chan struct{} // room for one: news tells the rest
}

// send gives v to all who listen now.
func (h *hub[T]) send(v T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for l := range h.listeners {
		if len(l.news) < maxNews {
			l.news = append(l.news, v)
		}
		select {
		case l.notify <- struct{}{}:
		default:
		}
	}
}

// listen calls hear with everything that is sent, one call at a time, until ctx ends. It
// returns ctx's error.
func (h *hub[T]) listen(ctx context.Context, hear func(T)) error {
	l := &listener[T]{notify: make(chan struct{}, 1)}
	h.enter(l)
	defer h.leave(l)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.notify:
		}
		for _, v := range h.take(l) {
			hear(v)
		}
	}
}

func (h *hub[T]) enter(l *listener[T]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listeners == nil {
		h.listeners = map[*listener[T]]bool{}
	}
	h.listeners[l] = true
}

func (h *hub[T]) leave(l *listener[T]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.listeners, l)
}

func (h *hub[T]) take(l *listener[T]) []T {
	h.mu.Lock()
	defer h.mu.Unlock()
	news := l.news
	l.news = nil
	return news
}

// Watch implements sluice.Queue. It never breaks.
func (q *Queue) Watch(ctx context.Context, wake func(queue string)) error {
	return q.hints.listen(ctx, wake)
}

// Broadcast implements sluice.ClientStore.
func (q *Queue) Broadcast(ctx context.Context, b sluice.Broadcast) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.Client != "" {
		b = sluice.Broadcast{Client: b.Client, Connection: b.Connection}
	}
	b.Payload = bytes.Clone(b.Payload)
	q.heard.send(b)
	return nil
}

// Listen implements sluice.ClientStore. It never breaks.
func (q *Queue) Listen(ctx context.Context, heard func(sluice.Broadcast)) error {
	return q.heard.listen(ctx, func(b sluice.Broadcast) {
		b.Payload = bytes.Clone(b.Payload) // who hears may keep it
		heard(b)
	})
}
