package litefile

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/ncruces/go-sqlite3"
)

// ErrUnfit marks a file that cannot be used as it is: waiting does not help.
var ErrUnfit = errors.New("the file cannot be used")

var (
	errForeign = errors.New("it is an SQLite database of another program; use another path")
	errNoLog   = errors.New("its file system has no shared memory for SQLite's write-ahead log; use a local disk")
)

// newerError refuses what a newer version of the program has written.
type newerError struct {
	what      string
	has, know any
}

func (e *newerError) Error() string {
	return fmt.Sprintf("it was written by a newer version of sluice (%s version %d, this program knows %d); use that version, or a copy of the file from before", e.what, e.has, e.know)
}

// IsFull tells whether an error means that the disk has no room, or the user's quota.
func IsFull(err error) bool {
	return errors.Is(err, sqlite3.FULL) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// Explain adds to an error of SQLite what it means for the operator; nil is nil.
func (f *File) Explain(err error) error {
	var newer *newerError
	switch {
	case err == nil, errors.Is(err, ErrUnfit):
		return err
	case errors.Is(err, errForeign), errors.Is(err, errNoLog), errors.As(err, &newer):
		return fmt.Errorf("%s: %w: %w", f.path, ErrUnfit, err)
	case errors.Is(err, sqlite3.NOTADB):
		return fmt.Errorf("%s: %w: it is no SQLite database, or its beginning is damaged: restore it from a copy, or move it away to begin anew (%w)", f.path, ErrUnfit, err)
	case errors.Is(err, sqlite3.CORRUPT):
		return fmt.Errorf("%s: %w: it is damaged: restore it from a copy, or move it away (with its -wal) to begin anew (%w)", f.path, ErrUnfit, err)
	case IsFull(err):
		return fmt.Errorf("%s: no room on its disk: free some, or move the file to a larger one (%w)", f.path, err)
	case errors.Is(err, sqlite3.CANTOPEN), errors.Is(err, sqlite3.READONLY), errors.Is(err, sqlite3.PERM), errors.Is(err, fs.ErrPermission):
		return f.unwritable(err)
	}
	if code, ok := errors.AsType[sqlite3.ExtendedErrorCode](err); ok {
		return fmt.Errorf("%s: %w (SQLite's code %d)", f.path, err, uint16(code))
	}
	return fmt.Errorf("%s: %w", f.path, err)
}

func (f *File) unwritable(err error) error {
	return fmt.Errorf("%s: %w: it cannot be written: give the user that runs sluice the right to write the file and its folder, or use another folder (%w)", f.path, ErrUnfit, err)
}
