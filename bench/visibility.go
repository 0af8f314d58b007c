package bench

import (
	"context"
	"sort"
	"sync"
	"time"
)

// mark says that at a moment the first rows rows since the start were visible.
type mark struct {
	at   time.Time
	rows int64
}

// visibility looks during a run at how many rows have appeared. Safe for
// concurrent use.
type visibility struct {
	table table
	every time.Duration

	mu    sync.Mutex // guards the rest
	marks []mark     // both members grow
	err   error      // of the last look
}

// costly is how long a look may take before the pauses grow.
const costly = 50 * time.Millisecond

// watch looks until ctx ends. A look that is costly (counting the rows of a large
// keyless run) is followed by a pause of ten times its time, so that the run is
// not disturbed. Errors do not end
// it: the database may be restarted during a run.
func (v *visibility) watch(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		began := time.Now()
		v.look(ctx)
		pause := v.every
		if took := time.Since(began); took > costly {
			pause = 10 * took
		}
		timer.Reset(pause)
	}
}

// look asks once. The time of a mark is after the answer, so that a latency is
// never too short.
func (v *visibility) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	rows, err := v.table.visible(ctx)
	now := time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.err = err
	if err == nil && (len(v.marks) == 0 || rows > v.marks[len(v.marks)-1].rows) {
		v.marks = append(v.marks, mark{now, rows})
	}
}

// last returns the newest mark.
func (v *visibility) last() (mark, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.marks) == 0 {
		return mark{}, v.err
	}
	return v.marks[len(v.marks)-1], v.err
}

// seen returns when row number n since the start, from 1, was first known to be
// visible; false when it came after the last look.
func (v *visibility) seen(n int64) (time.Time, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	i := sort.Search(len(v.marks), func(i int) bool { return v.marks[i].rows >= n })
	if i == len(v.marks) {
		return time.Time{}, false
	}
	return v.marks[i].at, true
}

// awaitRows returns when the run has expected messages with rows, or nothing came
// for longer than stall. reached is called each time before it reads the table
// to be sure, which costs the database much. It returns when the last row came.
func (v *visibility) awaitRows(ctx context.Context, expected int64, stall time.Duration, reached func()) (time.Time, error) {
	timer := time.NewTicker(max(v.every, time.Millisecond))
	defer timer.Stop()
	var (
		exact     int64
		nextCount time.Time
		lastMove  = time.Now()
		lastRows  int64
	)
	for {
		newest, _ := v.last()
		if newest.rows > lastRows {
			lastRows, lastMove = newest.rows, time.Now()
		}
		stalled := time.Since(lastMove) > stall
		if (newest.rows >= expected && time.Now().After(nextCount)) || stalled {
			reached()
			began := time.Now()
			n, err := v.table.count(ctx)
			if err == nil && (n >= expected || stalled && n == exact) {
				return newest.at, nil
			}
			if err != nil && stalled {
				return newest.at, err
			}
			if n > exact {
				exact, lastMove = n, time.Now()
			}
			nextCount = time.Now().Add(max(time.Second, 10*time.Since(began)))
		}
		select {
		case <-ctx.Done():
			return newest.at, ctx.Err()
		case <-timer.C:
		}
	}
}
