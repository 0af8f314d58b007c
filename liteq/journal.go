package liteq

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ncruces/go-sqlite3"
)

// When the steps are folded into the records.
const (
	mostSteps     = 256
	mostStepBytes = 1 << 20
)

// journal writes what steps change. One step is a run of changes, each
//
//	kind, operation (a byte each), key, value (each its length as uvarint, then itself)
//
// It is used under Queue.turn.
type journal struct {
	shelves []shelf
	buf     []byte // the step's changes
	news    []place
	next    int64 // id of the next step
	steps   int   // in the file
	bytes   int   // of them
	dirty   map[place]bool
	failed  error // of the encoding
	commit  func()
}

// loadCommit is after how many records read the memory is committed: else all of them
// would be there twice.
const loadCommit = 1000

// place is a record.
type place struct {
	shelf int // index
	key   string
}

// changes encodes what the step changed.
func (j *journal) changes() []byte {
	j.buf, j.news, j.failed = j.buf[:0], j.news[:0], nil
	for i, s := range j.shelves {
		for c, err := range s.changes() {
			if err != nil {
				j.failed = err
			}
			j.buf = appendChange(j.buf, s.number(), c)
			j.news = append(j.news, place{i, string(c.key)})
		}
	}
	return j.buf
}

func appendChange(b []byte, kind byte, c change) []byte {
	b = append(b, kind, c.op)
	b = binary.AppendUvarint(b, uint64(len(c.key)))
	b = append(b, c.key...)
	b = binary.AppendUvarint(b, uint64(len(c.value)))
	return append(b, c.value...)
}

// full tells whether it is time to fold.
func (j *journal) full() bool {
	return j.steps+1 >= mostSteps || j.bytes+len(j.buf) >= mostStepBytes
}

// keep writes the step.
func (j *journal) keep(sql *statements) error {
	if j.failed != nil || len(j.buf) == 0 {
		return j.failed
	}
	return run(sql.insertStep, j.next, j.buf)
}

// fold writes every record that was changed since the last fold, and this step's. The
// steps are told by that.
func (j *journal) fold(sql *statements) error {
	if j.failed != nil {
		return j.failed
	}
	for _, p := range j.news {
		j.note(p)
	}
	for p := range j.dirty {
		if err := j.foldRecord(sql, p); err != nil {
			return err
		}
	}
	return run(sql.deleteSteps)
}

func (j *journal) foldRecord(sql *statements, p place) error {
	s, key := j.shelves[p.shelf], []byte(p.key)
	value, err := s.value(key)
	switch {
	case err != nil:
		return err
	case value == nil:
		return run(sql.remRecord, int64(s.number()), key)
	}
	return run(sql.putRecord, int64(s.number()), key, value)
}

func (j *journal) note(p place) {
	if j.dirty == nil {
		j.dirty = map[place]bool{}
	}
	j.dirty[p] = true
}

// written ends a step that is in the file.
func (j *journal) written(folded bool) {
	if folded {
		j.steps, j.bytes, j.dirty = 0, 0, nil
		return
	}
	for _, p := range j.news {
		j.note(p)
	}
	j.next++
	j.steps, j.bytes = j.steps+1, j.bytes+len(j.buf)
}

// load makes the shelves what the file says: the records, then the steps.
func (j *journal) load(c *sqlite3.Conn) error {
	byKind := map[int64]shelf{}
	for _, s := range j.shelves {
		byKind[int64(s.number())] = s
	}
	n := 0
	err := rows(c, `SELECT kind, key, value FROM liteq_record`, func(r *sqlite3.Stmt) error {
		if n++; n%loadCommit == 0 {
			j.commit()
		}
		s := byKind[r.ColumnInt64(0)]
		if s == nil {
			return fmt.Errorf("%w: kind %d", errDamaged, r.ColumnInt64(0))
		}
		return s.apply(change{op: opSet, key: r.ColumnBlob(1, nil), value: r.ColumnBlob(2, nil)})
	})
	if err != nil {
		return err
	}
	j.next = 1
	return rows(c, `SELECT id, changes FROM liteq_step ORDER BY id`, func(r *sqlite3.Stmt) error {
		j.next = r.ColumnInt64(0) + 1
		changes := r.ColumnBlob(1, nil)
		j.steps, j.bytes = j.steps+1, j.bytes+len(changes)
		return j.replay(changes)
	})
}

func (j *journal) replay(b []byte) error {
	for len(b) > 0 {
		kind, c, rest, ok := readChange(b)
		i := j.find(kind)
		if !ok || i < 0 {
			return fmt.Errorf("%w: a step", errDamaged)
		}
		if err := j.shelves[i].apply(c); err != nil {
			return err
		}
		j.note(place{i, string(c.key)})
		b = rest
	}
	return nil
}

func (j *journal) find(kind byte) int {
	for i, s := range j.shelves {
		if s.number() == kind {
			return i
		}
	}
	return -1
}

// readChange splits the first change off.
func readChange(b []byte) (kind byte, c change, rest []byte, ok bool) {
	if len(b) < 2 {
		return 0, c, nil, false
	}
	kind, c.op, rest = b[0], b[1], b[2:]
	if c.key, rest, ok = readBytes(rest); ok {
		c.value, rest, ok = readBytes(rest)
	}
	return kind, c, rest, ok
}

func readBytes(b []byte) (read, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || uint64(len(b)-size) < n {
		return nil, nil, false
	}
	b = b[size:]
	return b[:n:n], b[n:], true
}

// rows calls each for every row of a query.
func rows(c *sqlite3.Conn, query string, each func(*sqlite3.Stmt) error) (err error) {
	s, _, err := c.Prepare(query)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for s.Step() {
		if err := each(s); err != nil {
			return err
		}
	}
	return s.Err()
}
