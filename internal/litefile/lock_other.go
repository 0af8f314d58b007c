//go:build !unix

package litefile

import (
	"errors"
	"os"
)

// lockFile refuses: two processes on one file would each believe what they have in
// memory.
func lockFile(*os.File) error {
	return errors.New("files can be locked on Unix only; use Redis and PostgreSQL on this system")
}

func unlockFile(*os.File) error { return nil }
