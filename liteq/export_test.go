package liteq

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ncruces/go-sqlite3"
)

// Dump returns all that the queue has in memory, by record. Of redelivery records only
// the newest entries: how many more are kept is not promised.
func Dump(q *Queue) map[string]string {
	out := map[string]string{}
	for name, f := range q.fifos.All() {
		out["fifo "+name] = fmt.Sprintf("%+v", *f)
	}
	for key, b := range q.batches.All() {
		out[fmt.Sprint("batch ", key)] = fmt.Sprintf("%+v", *b)
	}
	for id, n := range q.shares.All() {
		out[fmt.Sprint("share ", id)] = fmt.Sprint(*n)
	}
	for device, n := range q.quotas.All() {
		out["quota "+device] = fmt.Sprint(*n)
	}
	out["totals"] = fmt.Sprintf("%+v", *q.totals.Get(""))
	dumpRoster(q, out)
	return out
}

func dumpRoster(q *Queue, out map[string]string) {
	const newest = 10
	r := q.roster
	out["facts"] = fmt.Sprintf("%+v", *r.Facts.Get(""))
	out["counts"] = fmt.Sprintf("%+v next %d", r.Devices.Count(), r.Next())
	for name, s := range r.Sessions.All() {
		out["session "+name] = fmt.Sprintf("%+v %v", *s, r.Delivered.Newest(name, newest))
	}
	for name, d := range r.Devices.All() {
		out["device "+name] = fmt.Sprintf("%+v", *d)
	}
	for name, c := range r.Clients.All() {
		will := "none"
		if c.Will != nil {
			will = fmt.Sprintf("%+v", *c.Will)
		}
		plain := *c
		plain.Will = nil
		out["client "+name] = fmt.Sprintf("%+v will %s %v", plain, will, r.ClientDelivered.Newest(name, newest))
	}
}

// Audit looks whether the file has the frames that the batches need, and no others, and
// whether the bytes are counted right.
func Audit(q *Queue) error {
	q.turn <- struct{}{}
	defer func() { <-q.turn }()
	bytes, users := int64(0), map[int64]int{}
	use := func(f *fifo, from, to position, size int64) {
		bytes += size
		for n := from.Frame; n <= to.Frame; n++ {
			users[f.frameID(n)]++
		}
	}
	numbers := map[int64]*fifo{}
	for _, f := range q.fifos.All() {
		numbers[f.No] = f
		if f.Count > 0 {
			use(f, f.From, position{f.Frames, whole}, f.Size)
		}
	}
	for key, b := range q.batches.All() {
		use(numbers[key.queue], b.From, b.To, b.Size)
	}
	var errs []error
	if counted := q.totals.Get("").Bytes; counted != bytes {
		errs = append(errs, fmt.Errorf("%d bytes are counted, %d are queued", counted, bytes))
	}
	for id, n := range q.shares.All() {
		if users[id] != *n {
			errs = append(errs, fmt.Errorf("frame %d is counted for %d batches, %d use it", id, *n, users[id]))
		}
	}
	return errors.Join(append(errs, auditFrames(q.conn, users))...)
}

func auditFrames(c *sqlite3.Conn, users map[int64]int) error {
	var have []int64
	err := rows(c, `SELECT id FROM liteq_frame`, func(r *sqlite3.Stmt) error {
		have = append(have, r.ColumnInt64(0))
		return nil
	})
	for _, id := range have {
		if users[id] == 0 {
			err = errors.Join(err, fmt.Errorf("frame %d is in the file, and no batch needs it", id))
		}
	}
	for id := range users {
		if !slices.Contains(have, id) {
			err = errors.Join(err, fmt.Errorf("frame %d is not in the file", id))
		}
	}
	return err
}

// MaxPages bounds the file to what it has now and a few pages; 0 ends that.
func MaxPages(q *Queue, more int64) error {
	q.turn <- struct{}{}
	defer func() { <-q.turn }()
	if more == 0 {
		return q.conn.Exec(`PRAGMA max_page_count = 1000000000`)
	}
	pages := int64(0)
	if err := rows(q.conn, `PRAGMA page_count`, func(r *sqlite3.Stmt) error { pages = r.ColumnInt64(0); return nil }); err != nil {
		return err
	}
	return q.conn.Exec(fmt.Sprintf(`PRAGMA max_page_count = %d`, pages+more))
}

// ReplayStep is what reads the file's steps.
func ReplayStep(b []byte) error {
	s := newState()
	j := journal{shelves: s.shelves(), commit: s.commit}
	return j.replay(b)
}

// Break makes the file refuse every write of the queue, Mend ends that.
func Break(q *Queue) error { return q.exec(`PRAGMA query_only = ON`) }

// Mend ends Break.
func Mend(q *Queue) error { return q.exec(`PRAGMA query_only = OFF`) }

func (q *Queue) exec(sql string) error {
	q.turn <- struct{}{}
	defer func() { <-q.turn }()
	return q.conn.Exec(sql)
}
