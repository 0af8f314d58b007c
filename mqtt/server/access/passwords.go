package access

import (
	"strings"
	"unicode"
)

// users are those of one password file. They do not change once published.
type users struct {
	byName map[string]user
	dummy  hash // is verified for names that do not exist
}

type user struct {
	hash  hash
	since uint64 // generation in which the hash came
	line  int    // of the file
}

// parsePasswords reads a password file: `user:hash` lines, comments whose `#` is
// the first character, blank lines. Blanks around a name or hash are none of it.
// path is for the errors, which name every faulty line and what to do.
func parsePasswords(path string, text []byte) (*users, error) {
	u := &users{byName: map[string]user{}}
	wrong := &faults{path: path}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		u.parseLine(line, number, wrong)
	}
	u.dummy = newDummy(u.usual())
	return u, wrong.err()
}

func (u *users) parseLine(line string, number int, wrong *faults) {
	name, secret, ok := strings.Cut(line, ":")
	if !ok { // the line may be a password: it is not quoted
		wrong.addf(number, "no ':' behind a user name; write such lines with mosquitto_passwd, or begin a comment with #")
		return
	}
	name = strings.TrimSpace(name)
	if why := badUser(name); why != "" {
		wrong.addf(number, "%s", why)
		return
	}
	if first, twice := u.byName[name]; twice {
		wrong.addf(number, "user %q is in line %d already; keep one", name, first.line)
		return
	}
	h, err := parseHash(strings.TrimSpace(secret))
	if err != nil {
		wrong.addf(number, "user %q: %v", name, err)
		return
	}
	u.byName[name] = user{hash: h, line: number}
}

// badUser says what is wrong with a user name; "" for nothing. Names of devices
// are held to a stricter rule where they become names of devices.
func badUser(name string) string {
	switch {
	case name == "":
		return "the user name is empty; give one"
	case strings.ContainsFunc(name, unicode.IsControl), strings.Contains(name, ":"):
		return "the user name contains ':' or a control character; choose another"
	}
	return ""
}

// usual returns the iterations that most hashes have, of two the greater.
func (u *users) usual() int {
	count := map[int]int{}
	best := usualIterations
	for _, one := range u.byName {
		n := one.hash.iterations
		count[n]++
		if count[n] > count[best] || count[n] == count[best] && n > best {
			best = n
		}
	}
	return best
}

// verify tells whether password is the user's. An unknown user costs as much as
// the usual one.
func (u *users) verify(name string, password []byte) bool {
	one, known := u.byName[name]
	if !known {
		one.hash = u.dummy
	}
	right := one.hash.matches(password)
	return right && known && len(password) > 0
}

// dateFrom says of each user since when the hash has been what it is: since the
// same generation as before, or since now.
func (u *users) dateFrom(before *users, now uint64) {
	for name, one := range u.byName {
		one.since = now
		if old, known := before.byName[name]; known && old.hash.equal(one.hash) {
			one.since = old.since
		}
		u.byName[name] = one
	}
}
