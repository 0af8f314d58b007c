package litefile

import (
	"os"
)

// reserveBytes is more than SQLite's log needs to carry away a few batches.
const reserveBytes = 4 << 20

// reserve is a file that takes up room on the disk, to be deleted when there is none
// left. Guarded by the turn of File.
type reserve struct {
	path  string
	whole bool
}

// make makes the reserve. It fails when the disk has no room for it.
func (r *reserve) make() error {
	if info, err := os.Stat(r.path); err == nil && info.Size() == reserveBytes {
		r.whole = true
		return nil
	}
	if err := os.WriteFile(r.path, make([]byte, reserveBytes), 0o600); err != nil {
		_ = os.Remove(r.path) // a part of it is no use, and takes room
		return err
	}
	r.whole = true
	return nil
}

// probeBytes is more than what SQLite writes at once.
const probeBytes = 256 << 10

// probe returns an error for which the disk refuses a file, nil if it does not.
func (r *reserve) probe() error {
	name := r.path + ".probe"
	defer func() { _ = os.Remove(name) }()
	return os.WriteFile(name, make([]byte, probeBytes), 0o600)
}

// spend gives the room up and tells whether there was any.
func (r *reserve) spend() bool {
	spent := r.whole && os.Remove(r.path) == nil
	r.whole = false
	return spent
}
