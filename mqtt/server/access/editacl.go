package access

import (
	"slices"
	"strings"
)

// ACLText is the text of an ACL file, for programs that change it. Lines that they do
// not ask for stay as they are, byte by byte. Not safe for concurrent use.
type ACLText struct {
	path   string
	lines  []string // each with its end of line
	owners []string // the user whose `user` or `topic` line it is; "" for others
}

// ParseACLText reads a text. path is for the errors, which name every faulty line.
func ParseACLText(path string, text []byte) (*ACLText, error) {
	if _, err := parseACL(path, text); err != nil {
		return nil, err
	}
	a := &ACLText{path: path}
	user := ""
	for line := range strings.Lines(string(text)) {
		word, rest, _ := strings.Cut(trimACL(line), " ")
		owner := ""
		switch word {
		case "user":
			user = strings.TrimLeft(rest, " ")
			owner = user
		case "topic":
			owner = user
		}
		a.lines, a.owners = append(a.lines, line), append(a.owners, owner)
	}
	return a, nil
}

// trimACL takes off what surrounds the words of a line.
func trimACL(line string) string { return strings.Trim(line, " \r\n") }

// Topics returns what stands behind `topic` in the user's lines, in order.
func (a *ACLText) Topics(user string) []string {
	var topics []string
	for i, owner := range a.owners {
		if owner != user {
			continue
		}
		if rest, ok := strings.CutPrefix(trimACL(a.lines[i]), "topic "); ok {
			topics = append(topics, strings.TrimLeft(rest, " "))
		}
	}
	return topics
}

// Add puts lines for a user at the end, behind a blank one, if there is any topic; each is
// what stands behind `topic`, as Topics returns it. Remove undoes it.
func (a *ACLText) Add(user string, topics ...string) {
	if len(topics) == 0 {
		return
	}
	endLast(a.lines)
	if len(a.lines) > 0 {
		a.lines, a.owners = append(a.lines, "\n"), append(a.owners, "")
	}
	a.lines, a.owners = append(a.lines, "user "+user+"\n"), append(a.owners, user)
	for _, topic := range topics {
		a.lines, a.owners = append(a.lines, "topic "+topic+"\n"), append(a.owners, user)
	}
}

// Remove takes the `user` and `topic` lines of users away, and a blank line in front of
// what it has taken.
func (a *ACLText) Remove(users ...string) {
	var lines, owners []string
	for i, owner := range a.owners {
		if owner == "" || !slices.Contains(users, owner) {
			lines, owners = append(lines, a.lines[i]), append(owners, owner)
			continue
		}
		if n := len(lines); n > 0 && i > 0 && a.owners[i-1] == "" && trimACL(a.lines[i-1]) == "" {
			lines, owners = lines[:n-1], owners[:n-1]
		}
	}
	a.lines, a.owners = lines, owners
}

// Rights returns what the text, as it is now, lets a client do.
func (a *ACLText) Rights(user, client string) (*Rights, error) {
	list, err := parseACL(a.path, a.Bytes())
	if err != nil {
		return nil, err
	}
	return list.rights(user, client), nil
}

// Bytes returns the text.
func (a *ACLText) Bytes() []byte { return []byte(strings.Join(a.lines, "")) }
