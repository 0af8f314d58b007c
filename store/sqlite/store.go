package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ncruces/go-sqlite3"

	"sluice"
	"sluice/internal/litefile"
	"sluice/store"
)

// Store is the tables of rows in a file. Safe for concurrent use; transactions that
// write take turns.
type Store struct {
	file *litefile.File

	writing chan struct{} // room for one: who has sent may use what follows
	writer  *conn
	source  []entry // of the virtual table

	reading chan struct{} // room for as many as read
	mu      sync.Mutex    // guards readers
	readers []*conn       // that nobody uses
}

// Open makes the tables in f, or brings them up to date. The file stays the caller's, to
// be closed after Close. Errors are those of litefile.Open.
func Open(ctx context.Context, f *litefile.File) (*Store, error) {
	c, err := connect(f)
	if err != nil {
		return nil, err
	}
	s := &Store{file: f, writing: make(chan struct{}, 1), writer: c, reading: make(chan struct{}, maxReaders)}
	err = f.Migrate(ctx, c.Conn, part, tables)
	if err == nil {
		err = s.file.Explain(sqlite3.CreateModule(c.Conn, "incoming", nil, s.newIncoming)) //nolint:staticcheck // its successor needs Go 1.27
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return s, nil
}

// Close closes the connections. Nothing else may run.
func (s *Store) Close() error {
	err := s.writer.close()
	for _, c := range s.readers {
		err = errors.Join(err, c.close())
	}
	return err
}

// Ping tells whether the file can be read.
func (s *Store) Ping(ctx context.Context) error {
	return s.read(ctx, func(c *conn) error {
		_, err := c.row(`SELECT count(*) FROM facility`, nil, func(*sqlite3.Stmt) {})
		return err
	})
}

// write runs do in a transaction that is durable once write returns nil.
func (s *Store) write(ctx context.Context, do func(*conn) error) error {
	return s.inTurn(ctx, func(c *conn) error {
		return s.file.Write(ctx, c.Conn, func() error { return c.run(do) })
	})
}

// drain is write for what gets rid of something (see litefile.File.Drain).
func (s *Store) drain(ctx context.Context, do func(*conn) error) error {
	return s.inTurn(ctx, func(c *conn) error {
		return s.file.Drain(ctx, c.Conn, func() error { return c.run(do) })
	})
}

// run leaves no transaction open behind a handler that panics.
func (c *conn) run(do func(*conn) error) error {
	done := false
	defer func() {
		if !done {
			_ = c.Exec(`ROLLBACK`) // what panics says what is wrong
		}
	}()
	err := do(c)
	done = true
	return err
}

func (s *Store) inTurn(ctx context.Context, do func(*conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.writing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.writing }()
	return do(s.writer)
}

// Facility returns the number of a facility, from 1, and gives it one if it has none.
func (s *Store) Facility(ctx context.Context, name string) (id int32, err error) {
	if !sluice.ValidName(name) {
		return 0, sluice.Halt(fmt.Errorf("facility %q: %s", name, sluice.NameRule))
	}
	err = s.drain(ctx, func(c *conn) error {
		if _, err := c.exec(`INSERT INTO facility (name, last_id) VALUES (?, 0) ON CONFLICT DO NOTHING`, name); err != nil {
			return err
		}
		_, err := c.row(`SELECT facility_id FROM facility WHERE name = ?`, []any{name}, func(r *sqlite3.Stmt) { id = int32(r.ColumnInt64(0)) })
		return err
	})
	return id, err
}

// Once runs fn in a transaction that takes effect exactly once for the batch, as
// postgres.Once does. fn writes with the connection it gets, and with nothing else; it
// begins and ends no transaction.
func (s *Store) Once(ctx context.Context, b *sluice.Batch, fn func(ctx context.Context, c *sqlite3.Conn) error) error {
	stored, err := s.once(ctx, b.ID, func(c *conn) error { return fn(ctx, c.Conn) })
	if err != nil {
		return Failure(b.Attempt, err)
	}
	return store.DecodeOutcome(stored)
}

// once returns the encoded outcome.
func (s *Store) once(ctx context.Context, id sluice.BatchID, fn func(*conn) error) (stored []byte, err error) {
	err = s.write(ctx, func(c *conn) error {
		applied, err := c.applied(id, &stored)
		if err != nil || applied {
			return err
		}
		if stored, err = store.OutcomeOf(fn(c)); err != nil {
			return err
		}
		return c.apply(id, stored)
	})
	return stored, err
}

// applied tells whether a batch was applied before, and with what outcome.
func (c *conn) applied(id sluice.BatchID, outcome *[]byte) (bool, error) {
	return c.row(`SELECT outcome FROM applied_batch WHERE id = ?`, []any{id[:]}, func(s *sqlite3.Stmt) {
		if s.ColumnType(0) != sqlite3.NULL {
			*outcome = s.ColumnBlob(0, nil)
		}
	})
}

func (c *conn) apply(id sluice.BatchID, outcome []byte) error {
	_, err := c.exec(`INSERT INTO applied_batch (id, applied_at, outcome) VALUES (?, ?, ?)`, id[:], time.Now().UnixMicro(), outcome)
	return err
}

// failAttempts is how often a batch is tried that the database refuses for a cause that
// does not pass by itself.
const failAttempts = 5

// Failure turns an error into what a handler returns for the batch at this attempt, from
// 1: a sluice.Halt where an operator must act, else an error that is tried again. nil
// stays nil.
func Failure(attempt int, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, litefile.ErrUnfit):
		return sluice.Halt(err)
	case attempt >= failAttempts && lasting(err):
		return sluice.Halt(fmt.Errorf("%w (after %d attempts)", err, attempt))
	}
	return err
}

// lasting tells whether waiting does not help: the statement itself is refused.
func lasting(err error) bool {
	return errors.Is(err, sqlite3.ERROR) || errors.Is(err, sqlite3.CONSTRAINT) || errors.Is(err, sqlite3.MISMATCH) || errors.Is(err, sqlite3.TOOBIG)
}

// Unavailable reports whether err means that the file refuses work for now.
func Unavailable(err error) bool {
	return errors.Is(err, sqlite3.BUSY) || errors.Is(err, litefile.ErrUnfit) || litefile.IsFull(err)
}

// DefaultKeep is how long applied batches are kept.
const DefaultKeep = 30 * 24 * time.Hour

// pruneStep is how many rows one transaction removes at most.
const pruneStep = 1000

// Prune removes the facility's dead letters older than keep, and all applied batches
// older than DefaultKeep, in small steps, and returns how many there were.
func (s *Store) Prune(ctx context.Context, facility int32, keep time.Duration) (removed int64, err error) {
	if keep <= 0 {
		return 0, fmt.Errorf("prune: keep %v: must be above 0", keep)
	}
	now := time.Now()
	n, err := s.prune(ctx, `DELETE FROM applied_batch WHERE id IN (SELECT id FROM applied_batch WHERE applied_at < ? LIMIT ?)`,
		now.Add(-DefaultKeep).UnixMicro(), pruneStep)
	if err != nil {
		return n, err
	}
	dead, err := s.prune(ctx, `DELETE FROM dead_letter WHERE id IN (SELECT id FROM dead_letter WHERE stored_at < ? AND facility_id = ?3 LIMIT ?2)`,
		now.Add(-keep).UnixMicro(), pruneStep, facility)
	return n + dead, err
}

func (s *Store) prune(ctx context.Context, sql string, args ...any) (removed int64, err error) {
	for {
		var n int64
		err := s.drain(ctx, func(c *conn) (err error) { n, err = c.exec(sql, args...); return err })
		removed += n
		if err != nil || n < pruneStep {
			return removed, err
		}
	}
}
