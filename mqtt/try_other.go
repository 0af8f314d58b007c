//go:build !unix

package mqtt

// try takes nothing where writing without waiting is not to be had.
func (s *stream) try([]byte) (n int, err error) { return 0, nil }
