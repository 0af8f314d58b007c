package sqlite

import (
	"context"
	"fmt"

	"github.com/ncruces/go-sqlite3"

	"sluice/internal/litefile"
)

// conn is a connection with its statements, each prepared once. One goroutine uses it
// at a time.
type conn struct {
	*sqlite3.Conn

	prepared map[string]*sqlite3.Stmt
}

func connect(f *litefile.File) (*conn, error) {
	c, err := f.Connect()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, prepared: map[string]*sqlite3.Stmt{}}, nil
}

// statement returns the statement of sql with its arguments bound. Arguments are int,
// int32, int64, float64, bool, string and []byte; nil of []byte is NULL.
func (c *conn) statement(sql string, args ...any) (*sqlite3.Stmt, error) {
	s := c.prepared[sql]
	if s == nil {
		var err error
		if s, _, err = c.PrepareFlags(sql, sqlite3.PREPARE_PERSISTENT); err != nil {
			return nil, err
		}
		c.prepared[sql] = s
	}
	for i, arg := range args {
		if err := bind(s, i+1, arg); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func bind(s *sqlite3.Stmt, i int, arg any) error {
	switch v := arg.(type) {
	case int:
		return s.BindInt64(i, int64(v))
	case int32:
		return s.BindInt64(i, int64(v))
	case int64:
		return s.BindInt64(i, v)
	case float64:
		return s.BindFloat(i, v)
	case bool:
		return s.BindBool(i, v)
	case string:
		return s.BindText(i, v)
	case []byte:
		if v == nil {
			return s.BindNull(i)
		}
		return s.BindBlob(i, v)
	}
	return fmt.Errorf("argument %d of type %T", i, arg)
}

// exec runs a statement without rows and returns how many it changed.
func (c *conn) exec(sql string, args ...any) (changed int64, err error) {
	s, err := c.statement(sql, args...)
	if err != nil {
		return 0, err
	}
	if err := s.Exec(); err != nil {
		return 0, err
	}
	return c.Changes(), nil
}

// each calls yield with each row of a query, whose texts and blobs are good until it
// returns.
func (c *conn) each(sql string, args []any, yield func(*sqlite3.Stmt) error) (err error) {
	s, err := c.statement(sql, args...)
	if err != nil {
		return err
	}
	defer func() {
		if wrong := s.Reset(); err == nil {
			err = wrong
		}
	}()
	for s.Step() {
		if err := yield(s); err != nil {
			return err
		}
	}
	return s.Err()
}

// row calls yield with the first row of a query, if there is one.
func (c *conn) row(sql string, args []any, yield func(*sqlite3.Stmt)) (found bool, err error) {
	err = c.each(sql, args, func(s *sqlite3.Stmt) error {
		if !found {
			yield(s)
		}
		found = true
		return nil
	})
	return found, err
}

// close closes the statements and the connection.
func (c *conn) close() error {
	for _, s := range c.prepared {
		_ = s.Close() // it tells again what its last run told
	}
	return c.Close()
}

// maxReaders is how many queries run at once; others wait.
const maxReaders = 4

// read runs queries on a connection for reading. It ends with an error when ctx ends.
func (s *Store) read(ctx context.Context, do func(*conn) error) error {
	select {
	case s.reading <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.reading }()
	c, err := s.reader()
	if err != nil {
		return err
	}
	c.SetInterrupt(ctx)
	err = do(c)
	c.SetInterrupt(context.Background())
	s.mu.Lock()
	s.readers = append(s.readers, c)
	s.mu.Unlock()
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return s.file.Explain(err)
}

// reader returns a connection that nobody uses.
func (s *Store) reader() (*conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.readers); n > 0 {
		c := s.readers[n-1]
		s.readers = s.readers[:n-1]
		return c, nil
	}
	c, err := connect(s.file)
	if err != nil {
		return nil, err
	}
	_, err = c.exec(`PRAGMA query_only = ON`)
	return c, err
}
