package sluicetest

import (
	"context"
	"maps"
)

// watcher collects the hints of one Watch until it passes them on.
type watcher struct {
	names  map[string]bool // guarded by the mutex of Queue
	notify chan struct{}   // room for one: names tells how many
}

// Watch implements sluice.Queue. It loses no hint, but joins equal ones.
func (q *Queue) Watch(ctx context.Context, wake func(queue string)) error {
	w := &watcher{names: map[string]bool{}, notify: make(chan struct{}, 1)}
	q.mu.Lock()
	q.watchers[w] = true
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.watchers, w)
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.notify:
		}
		q.mu.Lock()
		names := maps.Clone(w.names)
		clear(w.names)
		q.mu.Unlock()
		for name := range names {
			wake(name)
		}
	}
}

// wake tells all watchers; the caller holds the mutex.
func (q *Queue) wake(name string) {
	for w := range q.watchers {
		w.names[name] = true
		select {
		case w.notify <- struct{}{}:
		default:
		}
	}
}
