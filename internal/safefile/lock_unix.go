//go:build unix

package safefile

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Lock waits until no other process holds the folder, and holds it until unlock is
// called or the process ends. It leaves no file behind.
func Lock(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return func() { f.Close() }, nil
}
