package users

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sluice/internal/safefile"
	"sluice/mqtt/server/access"
)

// Files are the paths of the two files. Safe for concurrent use.
type Files struct {
	Passwords string // password_file of Mosquitto, users of the front door
	ACL       string // acl_file, acl
}

// List returns the users in the order of the password file.
func (f Files) List() ([]User, error) {
	t, err := f.read()
	if err != nil {
		return nil, err
	}
	users := []User{}
	for _, name := range t.passwords.Users() {
		users = append(users, recognise(name, t.acl.Topics(name)))
	}
	return users, nil
}

// texts are the contents of both files, to be changed.
type texts struct {
	files     Files
	passwords *access.PasswordText
	acl       *access.ACLText

	old [2][]byte // as they were read; nil for a file that is not there
}

// read reads both files. Without a password file the error is fs.ErrNotExist. No ACL file
// is one without lines for single users.
func (f Files) read() (*texts, error) {
	t, err := f.readOrBegin()
	if err == nil && t.old[0] == nil {
		return nil, fmt.Errorf("%s: %w; `sluice users add` makes it, --users names another", f.Passwords, fs.ErrNotExist)
	}
	return t, err
}

// readOrBegin reads the files that are there, and begins the others.
func (f Files) readOrBegin() (*texts, error) {
	t := &texts{files: f}
	var wrongPasswords, wrongACL error
	passwords, err := readOr(f.Passwords, "", &t.old[0])
	if err != nil {
		return nil, err
	}
	acl, err := readOr(f.ACL, newACL, &t.old[1])
	if err != nil {
		return nil, err
	}
	t.passwords, wrongPasswords = access.ParsePasswordText(f.Passwords, passwords)
	t.acl, wrongACL = access.ParseACLText(f.ACL, acl)
	return t, errors.Join(wrongPasswords, wrongACL)
}

// readOr returns what is in a file, which is also put into old, or a beginning.
func readOr(path, beginning string, old *[]byte) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return []byte(beginning), nil
	}
	if err == nil && text == nil {
		text = []byte{}
	}
	*old = text
	return text, err
}

// savePasswords and saveACL replace a file if it has changed.
func (t *texts) savePasswords() error {
	return save(t.files.Passwords, t.passwords.Bytes(), t.old[0])
}

func (t *texts) saveACL() error { return save(t.files.ACL, t.acl.Bytes(), t.old[1]) }

func save(path string, text, old []byte) error {
	if old != nil && bytes.Equal(text, old) {
		return nil
	}
	return safefile.Replace(path, text, 0o600)
}

// has tells whether there is a password for the user.
func (t *texts) has(name string) bool { return t.passwords.Has(name) }

// lock keeps other processes off the files.
func (f Files) lock() (unlock func(), err error) { return safefile.Lock(filepath.Dir(f.Passwords)) }
