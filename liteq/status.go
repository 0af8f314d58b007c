package liteq

import (
	"context"
	"maps"
	"time"

	"sluice"
)

// Status implements sluice.Queue. What is queued is added up from the batches
// themselves, not from counters, so that a fault of the account shows.
func (q *Queue) Status(ctx context.Context, queue string) (s sluice.QueueStatus, err error) {
	err = q.step(ctx, func(now int64) error {
		s = sluice.QueueStatus{Queue: queue}
		f := q.fifos.Get(queue)
		if f == nil {
			return nil
		}
		s.Account, s.Open, s.Bytes, s.OldestAge, s.Halted = f.Account, int64(f.Count), f.Size, f.age(now), f.Halted
		s.Account.Dropped = maps.Clone(s.Account.Dropped)
		if f.HaltedSince > 0 {
			s.HaltedSince = time.UnixMicro(f.HaltedSince).UTC()
		}
		for _, seal := range f.Taken {
			q.addBatch(&s, f, seal, now)
		}
		for seal := f.Claimed + 1; seal <= f.Seals; seal++ {
			q.addBatch(&s, f, seal, now)
		}
		return nil
	})
	return s, err
}

func (q *Queue) addBatch(s *sluice.QueueStatus, f *fifo, seal, now int64) {
	b := q.batches.Get(batchKey{f.No, seal})
	s.Batches++
	s.Bytes += b.Size
	s.OldestAge = max(s.OldestAge, micros(now-b.First))
	switch n := int64(b.Count); {
	case seal > f.Claimed:
		s.Sealed += n
	case b.InRetry:
		s.Retry += n
	default:
		s.Claimed += n
	}
}
