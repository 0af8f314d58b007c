package access

import (
	"errors"
	"fmt"
)

// maxFaults is how many faults of a file are told: the first ones show the rest.
const maxFaults = 10

// faults collects what is wrong with a file, line by line. Its texts never hold
// a password or a hash.
type faults struct {
	path string
	errs []error
	more int
}

// addf tells a fault of a line, the first of which is 1, and what to do.
func (f *faults) addf(line int, format string, args ...any) {
	if len(f.errs) == maxFaults {
		f.more++
		return
	}
	f.errs = append(f.errs, fmt.Errorf("%s:%d: %s", f.path, line, fmt.Sprintf(format, args...)))
}

// err returns all faults as one error, nil for none.
func (f *faults) err() error {
	if f.more > 0 {
		return errors.Join(append(f.errs, fmt.Errorf("%s: and %d more", f.path, f.more))...)
	}
	return errors.Join(f.errs...)
}
