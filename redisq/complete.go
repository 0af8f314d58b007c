package redisq

import (
	"context"
	"fmt"
	"strconv"

	"sluice"
)

// Complete implements sluice.Queue. An outcome whose numbers do not add up to
// the batch is refused: the account would never balance again.
func (q *Queue) Complete(ctx context.Context, c *sluice.Claim, o sluice.Outcome) error {
	queue, id := c.Batch.Route, c.Batch.ID.String()
	total := o.Stored + o.Duplicate + len(o.Dead)
	for _, n := range o.Dropped {
		total += n
	}
	if total != len(c.Batch.Messages) {
		return fmt.Errorf("complete %s: outcome of %d messages for a batch of %d", id, total, len(c.Batch.Messages))
	}
	var dead letters
	for i := range o.Dead {
		if err := dead.add(&o.Dead[i], 1); err != nil {
			return err
		}
	}
	counters := outcomeArgs(o)
	keys := append([]string{
		q.keys.state(queue), q.keys.sealed(queue), q.keys.taken(queue), q.keys.batch(id), q.keys.store(),
	}, q.keys.queue(sluice.QueueDead)...)
	args := append(make([]string, 0, 9+len(counters)+7*len(o.Forward)+6+len(dead.args)),
		id, c.Token, q.keys.batches(), q.keys.hints(), queue, sluice.QueueDead,
		strconv.Itoa(len(counters)/2), strconv.Itoa(dead.count), strconv.Itoa(len(o.Forward)))
	args = append(args, counters...)
	for i := range o.Forward {
		part, err := partArgs(&o.Forward[i])
		if err != nil {
			return fmt.Errorf("complete %s: forward: %w", id, err)
		}
		keys, args = append(keys, q.keys.queue(o.Forward[i].Queue)...), append(args, part...)
	}
	ok, err := q.flag(ctx, q.scripts.complete, keys, q.deadArgs(args, &dead))
	return unless(ok, err, sluice.ErrLost)
}

// outcomeArgs are the counters of an outcome, those of its dead letters
// excepted: only the store knows which of them are within the quota.
func outcomeArgs(o sluice.Outcome) (args []string) {
	add := func(field string, n int) {
		if n > 0 {
			args = append(args, field, strconv.Itoa(n))
		}
	}
	add(fieldStored, o.Stored)
	add(fieldDuplicate, o.Duplicate)
	for cause, n := range o.Dropped {
		add(fieldDropped+cause, n)
	}
	return args
}
