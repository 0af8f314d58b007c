//go:build unix

package safefile

import (
	"io/fs"
	"os"
	"syscall"
)

// giveTo makes owner and group of f those of old.
func giveTo(f *os.File, old fs.FileInfo) error {
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	from, to := mine.Sys().(*syscall.Stat_t), old.Sys().(*syscall.Stat_t)
	if from.Uid == to.Uid && from.Gid == to.Gid {
		return nil
	}
	return f.Chown(int(to.Uid), int(to.Gid))
}
