package liteq

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ncruces/go-sqlite3"

	"sluice"
	"sluice/internal/litefile"
)

// steps of the tables, see litefile.File.Migrate.
var tables = []string{`
CREATE TABLE liteq_frame (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE liteq_step (id INTEGER PRIMARY KEY, changes BLOB NOT NULL) STRICT;
CREATE TABLE liteq_record (kind INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
	PRIMARY KEY (kind, key)) WITHOUT ROWID, STRICT`}

// Queue is a sluice.Queue, sluice.DeviceStore and sluice.ClientStore on an SQLite
// file. It is safe for concurrent use; its steps are made one after another. A call
// waits for its turn until its ctx ends; a step that has begun is not interrupted. An
// error other than the named ones means that nothing was stored.
type Queue struct {
	file   *litefile.File
	conn   *sqlite3.Conn
	sql    statements
	config Config
	now    func() time.Time

	line   line
	turn   chan struct{} // room for one: who has sent may use what follows
	closed bool
	state
	journal journal
	frames  []frame // that the step inserts
	gone    []span  // that the step deletes
	pushed  map[string]bool
	hints   hub[string]
	heard   hub[sluice.Broadcast]
}

var (
	_ sluice.Queue       = (*Queue)(nil)
	_ sluice.DeviceStore = (*Queue)(nil)
	_ sluice.ClientStore = (*Queue)(nil)
)

// Open opens the queue in a file, and makes it if there is none. The file stays the
// caller's, to be closed after Close. Errors are those of litefile.Open, and one for
// records that make no sense.
func Open(ctx context.Context, f *litefile.File, c Config) (*Queue, error) {
	c, err := c.resolve()
	if err != nil {
		return nil, err
	}
	conn, err := f.Connect()
	if err != nil {
		return nil, err
	}
	q := &Queue{file: f, conn: conn, config: c, now: time.Now, turn: make(chan struct{}, 1), state: newState(), pushed: map[string]bool{}}
	if err := q.prepare(ctx); err != nil {
		return nil, errors.Join(err, q.end())
	}
	return q, nil
}

func (q *Queue) prepare(ctx context.Context) error {
	if err := q.file.Migrate(ctx, q.conn, "queue", tables); err != nil {
		return err
	}
	if err := q.sql.prepare(q.conn); err != nil {
		return q.file.Explain(err)
	}
	q.journal.shelves, q.journal.commit = q.shelves(), q.commit
	if err := q.journal.load(q.conn); err != nil {
		return q.file.Explain(fmt.Errorf("read the queue: %w", err))
	}
	q.commit()
	return nil
}

// errClosed answers calls after Close.
var errClosed = errors.New("the queue is closed")

// Close ends the queue's connection to the file, once the step under way is done. Later
// calls fail.
func (q *Queue) Close() error {
	q.turn <- struct{}{}
	defer func() { <-q.turn }()
	if q.closed {
		return errClosed
	}
	q.closed = true
	return q.end()
}

func (q *Queue) end() error { return errors.Join(q.sql.close(), q.conn.Close()) }

// statements are prepared once.
type statements struct {
	insertFrame, deleteFrames, readFrames         *sqlite3.Stmt
	insertStep, deleteSteps, putRecord, remRecord *sqlite3.Stmt
	all                                           []*sqlite3.Stmt
}

func (s *statements) prepare(c *sqlite3.Conn) error {
	for _, one := range []struct {
		to  **sqlite3.Stmt
		sql string
	}{
		{&s.insertFrame, `INSERT INTO liteq_frame (id, data) VALUES (?, ?)`},
		{&s.deleteFrames, `DELETE FROM liteq_frame WHERE id BETWEEN ? AND ?`},
		{&s.readFrames, `SELECT id, data FROM liteq_frame WHERE id BETWEEN ? AND ? ORDER BY id`},
		{&s.insertStep, `INSERT INTO liteq_step (id, changes) VALUES (?, ?)`},
		{&s.deleteSteps, `DELETE FROM liteq_step`},
		{&s.putRecord, `INSERT INTO liteq_record (kind, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value`},
		{&s.remRecord, `DELETE FROM liteq_record WHERE kind = ? AND key = ?`},
	} {
		stmt, _, err := c.PrepareFlags(one.sql, sqlite3.PREPARE_PERSISTENT)
		if err != nil {
			return err
		}
		*one.to = stmt
		s.all = append(s.all, stmt)
	}
	return nil
}

func (s *statements) close() (err error) {
	for _, stmt := range s.all {
		err = errors.Join(err, stmt.Close())
	}
	return err
}
