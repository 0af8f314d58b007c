// Package reread keeps what was made of files, and makes it again when they have changed:
// certificates are replaced while their services run.
package reread

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
)

// Value is what was made of files. Set the fields before the first Get. Safe for
// concurrent use.
type Value[T any] struct {
	// Files are the paths to look at; "" is none.
	Files []string
	// Make makes the value of what the files hold now.
	Make func() (*T, error)
	// Stays, if not nil, is told why files that have changed cannot be used, so that the
	// value before stays: once for each change.
	Stays func(error)
	// Ended, if not nil, tells that a value is of no more use.
	Ended func(*T) bool

	mu   sync.Mutex
	seen string // what the files looked like at the last Get
	made *T     // nil: there was never one
	err  error  // why the files as they were seen cannot be used
}

// Get returns what was made of the files when they could last be used. There is an error
// only if they never could, or if that value has ended. While the files cannot be used,
// perhaps because they are half written, each call tries again. It costs a stat per file.
func (v *Value[T]) Get() (*T, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	seen := look(v.Files)
	if v.made == nil || v.err != nil || seen != v.seen {
		v.again(seen != v.seen)
		v.seen = seen
	}
	if v.err != nil && (v.made == nil || v.Ended != nil && v.Ended(v.made)) {
		return nil, v.err
	}
	return v.made, nil
}

// again tries to make the value.
func (v *Value[T]) again(changed bool) {
	fresh, err := v.Make()
	v.err = err
	switch {
	case err == nil:
		v.made = fresh
	case changed && v.made != nil && v.Stays != nil:
		v.Stays(err)
	}
}

// look returns what changes when a file does.
func look(files []string) (seen string) {
	for _, path := range files {
		if path != "" {
			seen += lookAt(path) + ";"
		}
	}
	return seen
}

func lookAt(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size())
}

// Pair returns what makes a certificate with its key of their files, in PEM form. Its
// errors name both files.
func Pair(cert, key string) func() (*tls.Certificate, error) {
	return func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("cert %s, key %s: %w", cert, key, err)
		}
		return &pair, nil
	}
}
