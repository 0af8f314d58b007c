package litefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// errOwned: another process has the lock.
var errOwned = errors.New("owned")

// own locks the file for this process and writes down whose it is. The lock goes with
// the process, however it ends. It is on a file beside the database, because closing
// any handle of the database itself could undo SQLite's own locks.
func own(path string) (*os.File, error) {
	name := path + ".lock"
	lock, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w: its folder does not exist: make it (%w)", path, ErrUnfit, err)
	case err != nil:
		return nil, (&File{path: path}).unwritable(err)
	}
	if err := lockFile(lock); err != nil {
		defer lock.Close()
		if !errors.Is(err, errOwned) {
			return nil, fmt.Errorf("%s: lock it: %w", path, err)
		}
		return nil, fmt.Errorf("%s: %w: %s has it open; stop that process, or use another folder", path, ErrUnfit, ownerOf(name))
	}
	if err := sign(lock); err != nil {
		lock.Close()
		return nil, (&File{path: path}).Explain(err)
	}
	return lock, nil
}

// sign writes who has the file.
func sign(lock *os.File) error {
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	text := fmt.Sprintf("process %d on %s, since %s\n", os.Getpid(), host, time.Now().Format(time.RFC3339))
	if err := lock.Truncate(0); err != nil {
		return err
	}
	_, err = lock.WriteAt([]byte(text), 0)
	return err
}

func ownerOf(name string) string {
	text, err := os.ReadFile(name)
	if owner := strings.TrimSpace(string(text)); err == nil && owner != "" {
		return owner
	}
	return "another process"
}
