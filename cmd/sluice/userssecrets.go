package main

import (
	"errors"
	"os"
	"path/filepath"

	"sluice/internal/safefile"
	"sluice/users"
)

// createSecrets returns what writes each password to dir/NAME, which only we can read, or
// nil without dir. A file that is there is an error; then none is made.
func createSecrets(dir string) func([]users.Secret) error {
	return eachSecret(dir, func(path string, text []byte) (undo func() error, err error) {
		return func() error { return os.Remove(path) }, safefile.Create(path, text, 0o600)
	})
}

// replaceSecrets is the same for files that may be there.
func replaceSecrets(dir string) func([]users.Secret) error {
	return eachSecret(dir, func(path string, text []byte) (undo func() error, err error) {
		return func() error { return nil }, safefile.Replace(path, text, 0o600)
	})
}

func eachSecret(dir string, write func(path string, text []byte) (undo func() error, err error)) func([]users.Secret) error {
	if dir == "" {
		return nil
	}
	return func(secrets []users.Secret) error {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		var undone []func() error
		for _, s := range secrets {
			undo, err := write(filepath.Join(dir, s.Name), []byte(s.Password+"\n"))
			if err != nil {
				for _, undo := range undone {
					err = errors.Join(err, undo())
				}
				return err
			}
			undone = append(undone, undo)
		}
		return nil
	}
}
