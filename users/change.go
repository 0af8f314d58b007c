package users

import (
	"errors"
	"fmt"
	"slices"

	"sluice"
	"sluice/mqtt/server/access"
)

// Secret is a password that nobody but its user keeps.
type Secret struct {
	Name     string `json:"name"`
	Role     Role   `json:"role"`
	Password string `json:"password"` // 32 letters and digits
}

// Errors of changes.
var (
	// ErrName: a name outside sluice.ValidName. One with a slash would reach the topics of
	// others.
	ErrName = errors.New("is not taken: " + sluice.NameRule)
	// ErrThere: a user that is to be added has a password already.
	ErrThere = errors.New("is a user already; `sluice users passwd` gives a new password")
	// ErrUnknown: there is no such user.
	ErrUnknown = errors.New("is no user")
)

// Add adds users with random passwords and makes the files that are not there. It adds all
// or none. keep, unless it is nil, is called before they can log in, to keep the passwords;
// on its error nothing is changed.
func (f Files) Add(list []User, keep func([]Secret) error) ([]Secret, error) {
	return f.change(keep, f.readOrBegin, func(t *texts) ([]Secret, error) {
		names := map[string]bool{}
		for _, u := range list {
			if err := t.admit(u); err != nil {
				return nil, err
			}
			if names[u.Name] {
				return nil, fmt.Errorf("%s is named twice", u.Name)
			}
			names[u.Name] = true
		}
		return t.add(list)
	})
}

// SetPasswords gives users new passwords; the old ones, and sessions that were opened with
// them, end. keep is as in Add.
func (f Files) SetPasswords(names []string, keep func([]Secret) error) ([]Secret, error) {
	return f.change(keep, f.read, func(t *texts) ([]Secret, error) {
		var list []User
		for _, name := range names {
			if !t.has(name) {
				return nil, fmt.Errorf("%q %w of %s", name, ErrUnknown, f.Passwords)
			}
			list = append(list, recognise(name, t.acl.Topics(name)))
		}
		return t.secrets(list)
	})
}

// change reads, makes a change, has its secrets kept, and saves.
func (f Files) change(keep func([]Secret) error, read func() (*texts, error), do func(*texts) ([]Secret, error)) ([]Secret, error) {
	unlock, err := f.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	t, err := read()
	if err != nil {
		return nil, err
	}
	secrets, err := do(t)
	if err != nil {
		return nil, err
	}
	if keep != nil {
		if err := keep(secrets); err != nil {
			return nil, err
		}
	}
	if err := t.saveACL(); err != nil {
		return nil, err
	}
	return secrets, t.savePasswords()
}

// Remove removes users with their rights, all or none.
func (f Files) Remove(names []string) error {
	unlock, err := f.lock()
	if err != nil {
		return err
	}
	defer unlock()
	t, err := f.read()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !t.has(name) && len(t.acl.Topics(name)) == 0 {
			return fmt.Errorf("%q %w of %s", name, ErrUnknown, f.Passwords)
		}
	}
	t.passwords.Remove(names...)
	t.acl.Remove(names...)
	if err := t.savePasswords(); err != nil {
		return err
	}
	return t.saveACL()
}

// admit says why a user cannot be added.
func (t *texts) admit(u User) error {
	if !sluice.ValidName(u.Name) {
		return fmt.Errorf("%q %w", u.Name, ErrName)
	}
	if t.has(u.Name) {
		return fmt.Errorf("%q %w", u.Name, ErrThere)
	}
	// Lines that a killed call has left are those that are wanted.
	if topics := t.acl.Topics(u.Name); len(topics) > 0 && !slices.Equal(topics, u.topics()) {
		return fmt.Errorf("%s has lines for the user %s, who has no password; remove them first (sluice users remove %s)", t.files.ACL, u.Name, u.Name)
	}
	return nil
}

func (t *texts) add(list []User) ([]Secret, error) {
	for _, u := range list {
		if len(t.acl.Topics(u.Name)) == 0 {
			t.acl.Add(u.Name, u.topics()...)
		}
	}
	for _, u := range list[:min(1, len(list))] { // patterns are the same for all
		if err := t.checkPatterns(u.Name); err != nil {
			return nil, err
		}
	}
	return t.secrets(list)
}

// checkPatterns refuses an ACL file under which a device can do nothing.
func (t *texts) checkPatterns(name string) error {
	rights, err := t.acl.Rights(name, name)
	if err != nil {
		return err
	}
	for _, topic := range []string{"connect/" + name, "lwt/" + name, "data/sensor/" + name} {
		if !rights.Write([]byte(topic)) {
			return fmt.Errorf("%s does not let a user write its own topic %s; it needs these lines:\n%s", t.files.ACL, topic, newACL)
		}
	}
	if !rights.Read("pulse") {
		return fmt.Errorf("%s does not let a user read the pulse; it needs the line\npattern read pulse", t.files.ACL)
	}
	return nil
}

// secrets gives each user a random password.
func (t *texts) secrets(list []User) ([]Secret, error) {
	secrets := []Secret{}
	for _, u := range list {
		s := Secret{u.Name, u.Role, access.NewPassword()}
		if err := t.passwords.Set(s.Name, []byte(s.Password)); err != nil {
			return nil, err
		}
		secrets = append(secrets, s)
	}
	return secrets, nil
}
