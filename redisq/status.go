package redisq

import (
	"context"
	"errors"
	"strings"
	"time"

	"sluice"
)

// Status implements sluice.Queue. It costs Redis about a millisecond per 1000
// sealed batches at worst, because it adds up the batches themselves.
func (q *Queue) Status(ctx context.Context, queue string) (sluice.QueueStatus, error) {
	reply, err := q.run(ctx, q.scripts.status, []string{q.keys.state(queue), q.keys.sealed(queue), q.keys.taken(queue)}, nil)
	if err != nil {
		return sluice.QueueStatus{}, err
	}
	r := reader{reply: reply}
	now, state := r.number(), r.pairs()
	s := sluice.QueueStatus{Queue: queue, Account: r.account(state)}
	s.Open = r.integer(state[fieldOpenCount])
	s.Batches, s.Sealed, s.Bytes = r.number(), r.number(), r.number()
	oldest := earliest(r.number(), r.integer(state[fieldOpenFirst]))
	s.Bytes += r.integer(state[fieldOpenSize])
	for _, line := range r.pairs() {
		t := r.taken(line)
		s.Batches++
		s.Bytes += t.size
		oldest = earliest(oldest, t.first)
		if t.claimed {
			s.Claimed += t.count
		} else {
			s.Retry += t.count
		}
	}
	if oldest > 0 {
		s.OldestAge = max(time.Duration(now-oldest)*time.Microsecond, 0)
	}
	s.Halted = state[fieldHalted]
	if at := r.integer(state[fieldHaltedAt]); at > 0 {
		s.HaltedSince = time.UnixMicro(at).UTC()
	}
	return s, r.fault("status")
}

// earliest is the smaller of two times, of which 0 is none.
func earliest(a, b int64) int64 {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

func (r *reader) account(state map[string]string) sluice.Account {
	a := sluice.Account{
		Received:  r.integer(state[fieldReceived]),
		Stored:    r.integer(state[fieldStored]),
		Duplicate: r.integer(state[fieldDuplicate]),
		Dead:      r.integer(state[fieldDead]),
	}
	for field, n := range state {
		cause, ok := strings.CutPrefix(field, fieldDropped)
		if !ok {
			continue
		}
		if a.Dropped == nil {
			a.Dropped = map[string]int64{}
		}
		a.Dropped[cause] = r.integer(n)
	}
	return a
}

// taken is a line of the taken hash (see scripts/lib_taken.lua).
type taken struct {
	claimed            bool
	count, size, first int64
}

func (r *reader) taken(line string) taken {
	f := strings.Fields(line)
	if len(f) != 9 {
		r.note(errors.New("damaged line of a taken batch"))
		return taken{}
	}
	return taken{claimed: f[0] == "c", count: r.integer(f[5]), size: r.integer(f[7]), first: r.integer(f[8])}
}
