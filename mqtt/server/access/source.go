package access

import (
	"errors"
	"fmt"
	"os"
)

// source is a file that may change. The zero path is a file that is not used.
type source[T any] struct {
	path  string
	parse func(path string, text []byte) (T, error)

	read stamp  // of what was read last, well or ill
	last stamp  // at the last poll
	told string // why it cannot be read, once that was told
}

// stamp tells two contents of a file apart; the zero stamp is a missing file.
type stamp struct {
	modified int64 // Unix time in ns
	size     int64 // bytes
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info.ModTime().UnixNano(), info.Size()}
}

// open reads the file for the first time.
func (s *source[T]) open() (value T, err error) {
	s.read = stampOf(s.path)
	s.last = s.read
	text, err := readFile(s.path)
	if err != nil {
		return value, err
	}
	return s.parse(s.path, text)
}

// poll reads the file again if it has changed and then rested from one poll to
// the next: mosquitto_passwd(1) writes in place, and half a file would cut
// connections. fresh is false when there is nothing new. An error is returned
// once per change.
func (s *source[T]) poll() (value T, fresh bool, err error) {
	if s.path == "" {
		return value, false, nil
	}
	now := stampOf(s.path)
	rested := now == s.last
	s.last = now
	if now == s.read {
		s.told = ""
	}
	if now == s.read || !rested {
		return value, false, nil
	}
	text, err := readFile(s.path)
	if err != nil {
		return value, false, s.tell(err)
	}
	if stampOf(s.path) != now { // written to meanwhile
		return value, false, nil
	}
	s.read, s.told = now, ""
	value, err = s.parse(s.path, text)
	return value, err == nil, err
}

// tell returns an error of reading once. The next poll tries again, as no stamp
// shows that permissions were mended.
func (s *source[T]) tell(err error) error {
	if err.Error() == s.told {
		return nil
	}
	s.told = err.Error()
	return err
}

func readFile(path string) (text []byte, err error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() { // a pipe would block
		err = errors.New("not a regular file")
	}
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: cannot be read: %w; check the path and its permissions", path, err)
	}
	return text, nil
}
