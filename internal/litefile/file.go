package litefile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ncruces/go-sqlite3"
)

const (
	// applicationID marks a file as ours [SQLite: PRAGMA application_id].
	applicationID = 0x536c7569
	// format is the version of what all packages share in the file, which is the table
	// of their own versions.
	format = 1
	// pageBytes is SQLite's default.
	pageBytes = 4096
)

// pragmas are the settings of every connection. FULL syncs the log at every commit:
// what was committed survives a loss of power.
const pragmas = `
PRAGMA busy_timeout = 10000;
PRAGMA synchronous = FULL;
PRAGMA cache_size = -16384;
PRAGMA temp_store = MEMORY;
PRAGMA journal_size_limit = 67108864;
PRAGMA trusted_schema = OFF;
PRAGMA cell_size_check = ON`

// File is an SQLite database that this process owns, from Open to Close. It is safe
// for concurrent use; a connection is not.
type File struct {
	path    string
	owner   *os.File // locked
	turn    chan struct{}
	reserve reserve
}

// Open takes the file for this process, and makes it if there is none. Its folder must
// exist. Whatever stands against it is an error that says what to do: another process
// has it, it may not be written, it is damaged, it is no database of ours, it was made
// by a newer version.
func Open(path string) (*File, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	owner, err := own(path)
	if err != nil {
		return nil, err
	}
	f := &File{path: path, owner: owner, turn: make(chan struct{}, 1), reserve: reserve{path: path + ".reserve"}}
	if err := f.prepare(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Path is where the file is.
func (f *File) Path() string { return f.path }

// Close gives the file up. All connections must be closed.
func (f *File) Close() error {
	return errors.Join(unlockFile(f.owner), f.owner.Close())
}

// prepare makes the file what Migrate expects.
func (f *File) prepare() (err error) {
	c, err := f.Connect()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return f.Drain(context.Background(), c, func() error { return initialise(c) }) // a full disk is no reason not to start
}

func initialise(c *sqlite3.Conn) error {
	id, err := number(c, `PRAGMA application_id`)
	if err != nil {
		return err
	}
	version, err := number(c, `PRAGMA user_version`)
	if err != nil {
		return err
	}
	tables, err := number(c, `SELECT count(*) FROM sqlite_schema`)
	switch {
	case err != nil:
		return err
	case tables == 0:
		return c.Exec(fmt.Sprintf(`
			CREATE TABLE schema (part TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID, STRICT;
			PRAGMA application_id = %d; PRAGMA user_version = %d`, applicationID, format))
	case id != applicationID:
		return errForeign
	case version > format:
		return &newerError{"file", version, format}
	}
	return nil
}

// Connect opens a connection with the settings that all have. The caller closes it.
func (f *File) Connect() (*sqlite3.Conn, error) {
	c, err := sqlite3.OpenFlags(f.path, sqlite3.OPEN_READWRITE|sqlite3.OPEN_CREATE)
	if err != nil {
		return nil, f.Explain(err)
	}
	if err := configure(c); err != nil {
		return nil, f.Explain(errors.Join(err, c.Close()))
	}
	return c, nil
}

func configure(c *sqlite3.Conn) (err error) {
	if err := c.Exec(pragmas); err != nil {
		return err
	}
	s, _, err := c.Prepare(`PRAGMA journal_mode = WAL`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	mode := ""
	if s.Step() {
		mode = s.ColumnText(0)
	}
	if err := s.Reset(); err != nil {
		return err
	}
	if mode != "wal" {
		return errNoLog
	}
	return nil
}

// Write runs work in a transaction on a connection of the caller's and commits it:
// durably once Write returns nil. Writers of the file wait for each other, until ctx
// ends; work itself is not interrupted. An error rolls everything back, that of a
// failed commit too. While the disk is full, it fails and work is not run (see
// IsFull): what Drain may need is kept free.
func (f *File) Write(ctx context.Context, c *sqlite3.Conn, work func() error) error {
	return f.inTurn(ctx, func() error {
		if err := f.keepRoom(c); err != nil {
			return err
		}
		return f.transact(c, work)
	})
}

// Drain is Write for work that gets rid of something or changes little: on a full
// disk it takes the room that is kept for it. work may run twice.
func (f *File) Drain(ctx context.Context, c *sqlite3.Conn, work func() error) error {
	return f.inTurn(ctx, func() error {
		err := f.transact(c, work)
		if IsFull(err) && f.reserve.spend() {
			err = f.transact(c, work)
		}
		return err
	})
}

func (f *File) inTurn(ctx context.Context, step func() error) error {
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-f.turn }()
	return f.Explain(step())
}

// keepRoom sees to it that there is room for Drain: the reserve, or as much in the file
// itself, which never gives back to the disk what it had.
func (f *File) keepRoom(c *sqlite3.Conn) error {
	if f.reserve.whole {
		return nil
	}
	free, err := number(c, `PRAGMA freelist_count`)
	if err == nil && free*pageBytes < reserveBytes {
		err = f.reserve.make()
	}
	return err
}

// transact runs work in a transaction. The driver loses why the system refused a write;
// whether for want of room is found out anew.
func (f *File) transact(c *sqlite3.Conn, work func() error) error {
	err := transact(c, work)
	if errors.Is(err, sqlite3.IOERR) {
		if cause := f.reserve.probe(); IsFull(cause) {
			err = fmt.Errorf("%w (%w)", cause, err)
		}
	}
	return err
}

func transact(c *sqlite3.Conn, work func() error) error {
	if err := c.Exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	err := work()
	if err == nil {
		err = c.Exec(`COMMIT`)
	}
	if err != nil && !c.GetAutocommit() { // else SQLite has rolled back by itself
		err = errors.Join(err, c.Exec(`ROLLBACK`))
	}
	return err
}

// number is the answer of a query for one.
func number(c *sqlite3.Conn, query string) (n int64, err error) {
	s, _, err := c.Prepare(query)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if s.Step() {
		n = s.ColumnInt64(0)
	}
	return n, s.Err()
}
