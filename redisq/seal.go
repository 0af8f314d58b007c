package redisq

import (
	"context"
	"strconv"
	"time"

	"sluice"
)

// Seal implements sluice.Queue.
func (q *Queue) Seal(ctx context.Context, queue string, p sluice.Policy) (sluice.SealResult, error) {
	reply, err := q.run(ctx, q.scripts.seal,
		[]string{q.keys.state(queue), q.keys.open(queue), q.keys.sealed(queue)},
		[]string{
			strconv.Itoa(p.Min), waitArg(p.Timeout), waitArg(p.Linger),
			sluice.NewBatchID().String(), q.keys.batches(), q.keys.hints(), queue,
		})
	if err != nil {
		return sluice.SealResult{}, err
	}
	r := reader{reply: reply}
	s := sluice.SealResult{Sealed: r.number() == 1, Open: int(r.number()), Age: time.Duration(r.number()) * time.Microsecond}
	return s, r.fault("seal")
}

// waitArg keeps Never, a nanosecond below 0, from becoming 0 microseconds, and a
// time below a microsecond from becoming none.
func waitArg(d time.Duration) string {
	if d <= 0 {
		return "-1"
	}
	return micros(max(d, time.Microsecond))
}
