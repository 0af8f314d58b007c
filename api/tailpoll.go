package api

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// poller reads for all tails together up to where rows are stored. It runs, in one
// goroutine, while at least one tail watches. Safe for concurrent use.
type poller struct {
	every time.Duration
	read  func(context.Context) (map[int32]int64, error)

	mu      sync.Mutex // guards the rest, and what watches are told
	watches map[*watch]struct{}
	cancel  func()        // ends the goroutine
	done    chan struct{} // closed when it has ended
}

// watch is how a tail is told.
type watch struct {
	ids []int32 // of its facilities, ascending
	// news holds the latest only: a tail that is slow misses what is out of date.
	news chan news
	told bool
}

// news is up to where rows are stored, shared and not to be changed; or why that is
// not known.
type news struct {
	last map[int32]int64
	err  error
}

func newPoller(every time.Duration, read func(context.Context) (map[int32]int64, error)) *poller {
	return &poller{every: every, read: read, watches: map[*watch]struct{}{}}
}

// watch has the tail of these facilities told, first at once and then when one of
// them has moved. All that it is told was read after watch was called. Call leave
// afterwards, once.
func (p *poller) watch(ids []int32) *watch {
	w := &watch{ids: ids, news: make(chan news, 1)}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watches[w] = struct{}{}
	if len(p.watches) == 1 {
		p.start()
	}
	return w
}

func (p *poller) start() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	p.cancel, p.done = cancel, done
	go func() {
		defer close(done)
		p.run(ctx)
	}()
}

// leave ends a watch. With the last one it ends the goroutine and waits for it.
func (p *poller) leave(w *watch) {
	p.mu.Lock()
	delete(p.watches, w)
	done := p.done
	last := len(p.watches) == 0
	if last {
		p.cancel() // before a next goroutine may begin
	}
	p.mu.Unlock()
	if last {
		<-done
	}
}

func (p *poller) run(ctx context.Context) {
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	var before map[int32]int64
	for {
		watches := p.current()
		last, err := p.read(ctx)
		p.tell(ctx, watches, news{last, err}, moved(before, last))
		before = last
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// current returns those that watch now; who comes while the store is read must not
// be told what was read before.
func (p *poller) current() []*watch {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(p.watches))
}

// tell tells an error to all, and what has moved to those whom it concerns.
func (p *poller) tell(ctx context.Context, watches []*watch, n news, moved []int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ctx.Err() != nil { // another goroutine may know more by now
		return
	}
	for _, w := range watches {
		if n.err == nil && w.told && !w.concerns(moved) {
			continue
		}
		w.told = true
		select {
		case <-w.news:
		default:
		}
		w.news <- n
	}
}

func (w *watch) concerns(moved []int32) bool {
	return slices.ContainsFunc(moved, func(id int32) bool {
		_, ok := slices.BinarySearch(w.ids, id)
		return ok
	})
}

// moved returns the facilities whose last entry is another one than before.
func moved(before, last map[int32]int64) (ids []int32) {
	for id, entry := range last {
		if was, ok := before[id]; !ok || was != entry {
			ids = append(ids, id)
		}
	}
	return ids
}
