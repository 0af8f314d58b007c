package access

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// PasswordText is the text of a password file, for programs that change it. Lines that
// they do not ask for stay as they are, byte by byte. Not safe for concurrent use.
type PasswordText struct {
	lines []string       // each with its end of line
	names []string       // of the user in each line; "" for none
	at    map[string]int // line of each user
}

// ParsePasswordText reads a text. path is for the error, which names every faulty line.
func ParsePasswordText(path string, text []byte) (*PasswordText, error) {
	if _, err := parsePasswords(path, text); err != nil {
		return nil, err
	}
	p := &PasswordText{at: map[string]int{}}
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		if strings.HasPrefix(line, "#") {
			name = ""
		}
		p.append(line, name)
	}
	return p, nil
}

func (p *PasswordText) append(line, user string) {
	if user != "" {
		p.at[user] = len(p.lines)
	}
	p.lines, p.names = append(p.lines, line), append(p.names, user)
}

// Has tells whether the user has a line.
func (p *PasswordText) Has(user string) bool {
	_, ok := p.at[user]
	return ok
}

// Users returns the names in their order.
func (p *PasswordText) Users() []string {
	var users []string
	for _, name := range p.names {
		if name != "" {
			users = append(users, name)
		}
	}
	return users
}

// Set gives a user a password, in the user's line or else in one at the end. The hash is
// PBKDF2-SHA512 with a random salt of 12 bytes and mosquitto_passwd's 101 iterations: a
// broker derives it in its only thread at each CONNECT, and a random password needs no more.
func (p *PasswordText) Set(user string, password []byte) error {
	if why := badUser(user); why != "" {
		return fmt.Errorf("%q: %s", user, why)
	}
	h := newDummy(usualIterations)
	key, err := h.derive(password)
	if err != nil {
		return err
	}
	h.key = key
	line := user + ":" + h.String() + "\n"
	if i, ok := p.at[user]; ok {
		p.lines[i] = line
		return nil
	}
	endLast(p.lines)
	p.append(line, user)
	return nil
}

// Remove takes the lines of users away, of those who have one.
func (p *PasswordText) Remove(users ...string) {
	old := *p
	*p = PasswordText{at: map[string]int{}}
	for i, line := range old.lines {
		if name := old.names[i]; name == "" || !slices.Contains(users, name) {
			p.append(line, name)
		}
	}
}

// Bytes returns the text.
func (p *PasswordText) Bytes() []byte { return []byte(strings.Join(p.lines, "")) }

// String is the hash as the file has it.
func (h hash) String() string {
	return fmt.Sprintf("$7$%d$%s$%s", h.iterations,
		base64.StdEncoding.EncodeToString(h.salt), base64.StdEncoding.EncodeToString(h.key))
}

// NewPassword returns a random one of 32 letters and digits, 160 bits.
func NewPassword() string { return (rand.Text() + rand.Text())[:32] }

// endLast ends the last line if it has no end.
func endLast(lines []string) {
	if n := len(lines); n > 0 && !strings.HasSuffix(lines[n-1], "\n") {
		lines[n-1] += "\n"
	}
}
