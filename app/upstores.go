package app

import (
	"context"
	"path/filepath"
)

// upFile is the name of the file in UpOptions.Dir.
const upFile = "sluice.db"

// path is that of the file.
func (u *Up) path() string { return filepath.Join(u.o.Dir, upFile) }

// stores are what the parts of the process work on.
type stores struct {
	queue queueStore
	rows  rowStore
	read  readStore
}

// open opens the stores; closing closes them.
func (u *Up) open(ctx context.Context, closing *teardown) (s stores, err error) {
	return s, nil
}
