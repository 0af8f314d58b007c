package liteq

import (
	"context"
	"fmt"

	"github.com/ncruces/go-sqlite3"

	"sluice"
)

// frame is a row of liteq_frame.
type frame struct {
	id   int64
	data []byte // the caller's, until the step ends
}

// span is a range of ids of liteq_frame, both included.
type span struct{ from, to int64 }

// step makes a step that may always be made, even when the disk is full. work changes
// the memory; its error undoes that. It may run twice.
func (q *Queue) step(ctx context.Context, work func(now int64) error) error {
	return q.inTurn(ctx, &request{work: work, write: q.file.Drain})
}

// grow is step for what a full disk refuses.
func (q *Queue) grow(ctx context.Context, work func(now int64) error) error {
	return q.inTurn(ctx, &request{work: work, write: q.file.Write})
}

// join is step for what may be written together with others of its kind: it reads
// nothing from the file. Thousands of devices that connect at once share a few commits.
func (q *Queue) join(ctx context.Context, work func(now int64) error) error {
	return q.inTurn(ctx, &request{work: work, write: q.file.Drain, joins: true})
}

type write func(ctx context.Context, c *sqlite3.Conn, work func() error) error

// inTurn waits until the request was made. Whoever gets the turn makes those that came
// before, too.
func (q *Queue) inTurn(ctx context.Context, r *request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.done = make(chan error, 1)
	q.line.add(r)
	for {
		select {
		case err := <-r.done:
			return err
		case q.turn <- struct{}{}:
			q.serve(q.line.take())
			<-q.turn
		case <-ctx.Done():
			if q.line.leave(r) {
				return ctx.Err()
			}
			return <-r.done
		}
	}
}

// serve makes requests, all in one step; if one of them fails, each in its own.
func (q *Queue) serve(rs []*request) {
	err := q.together(rs)
	if err != nil && len(rs) > 1 {
		for i := range rs {
			rs[i].done <- q.together(rs[i : i+1])
		}
		return
	}
	for _, r := range rs {
		r.done <- err
	}
}

// together makes one step of requests.
func (q *Queue) together(rs []*request) (err error) {
	if q.closed {
		return errClosed
	}
	defer q.clear()
	now := q.now().UnixMicro()
	for i := 0; i < len(rs) && err == nil; i++ {
		err = rs[i].work(now)
	}
	if err == nil && len(rs) > 0 {
		err = q.write(rs[0].write)
	}
	if err != nil {
		q.rollback()
		return err
	}
	q.commit()
	for name := range q.pushed {
		q.hints.send(name)
	}
	return nil
}

// clear forgets what the step was to write.
func (q *Queue) clear() {
	clear(q.frames)
	q.frames, q.gone = q.frames[:0], q.gone[:0]
	clear(q.pushed)
}

// write makes the file what the memory is; a step that changed nothing costs nothing.
func (q *Queue) write(write write) error {
	changes := q.journal.changes()
	if len(changes) == 0 && len(q.frames)+len(q.gone) == 0 {
		return nil
	}
	folds := q.journal.full()
	err := write(context.Background(), q.conn, func() error { // a step that has begun is not interrupted
		if err := q.writeFrames(); err != nil {
			return err
		}
		if folds {
			return q.journal.fold(&q.sql)
		}
		return q.journal.keep(&q.sql)
	})
	if err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	q.journal.written(folds)
	return nil
}

// writeFrames deletes first, so that what is new finds room in the file.
func (q *Queue) writeFrames() error {
	for _, s := range q.gone {
		if err := run(q.sql.deleteFrames, s.from, s.to); err != nil {
			return err
		}
	}
	for _, f := range q.frames {
		if err := run(q.sql.insertFrame, f.id, f.data); err != nil {
			return err
		}
	}
	return nil
}

// run executes a statement with arguments that are int64 or []byte.
func run(s *sqlite3.Stmt, args ...any) error {
	for i, arg := range args {
		var err error
		switch v := arg.(type) {
		case int64:
			err = s.BindInt64(i+1, v)
		case []byte:
			err = s.BindBlob(i+1, v)
		}
		if err != nil {
			return err
		}
	}
	return s.Exec()
}

// leased makes a step of a session whose lease holds.
func (q *Queue) leased(ctx context.Context, l sluice.Lease, work func(now int64) error) error {
	return q.step(ctx, q.ofLease(l, work))
}

// joinLeased is join of a session whose lease holds.
func (q *Queue) joinLeased(ctx context.Context, l sluice.Lease, work func(now int64) error) error {
	return q.join(ctx, q.ofLease(l, work))
}

func (q *Queue) ofLease(l sluice.Lease, work func(now int64) error) func(now int64) error {
	return func(now int64) error {
		if _, err := q.roster.Leased(l); err != nil {
			return err
		}
		return work(now)
	}
}
