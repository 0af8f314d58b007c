package safefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace puts data in the place of a file, in one step. A new file gets the
// permissions of mode. One that is there keeps its owner and group, since a server that
// reads it may run as somebody else, and its permissions but for those of others that
// mode lacks. Of a symbolic link the file that it names is replaced. Two at once: the
// last wins; see Lock.
func Replace(path string, data []byte, mode fs.FileMode) error {
	path, err := target(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	err = dress(f, path, mode)
	err = errors.Join(err, fill(f, data))
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncFolder(filepath.Dir(path))
}

// target follows symbolic links.
func target(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	return real, err
}

// dress gives f, which only we can read yet, owner and permissions.
func dress(f *os.File, path string, mode fs.FileMode) error {
	old, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.Chmod(mode)
	case err != nil:
		return err
	case !old.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	}
	if err := giveTo(f, old); err != nil {
		return fmt.Errorf("%s would change its owner; run this as its owner or as root: %w", path, err)
	}
	return f.Chmod(old.Mode().Perm()&(0o770|mode) | 0o600)
}
