package access

import (
	"strings"
)

// permission is what a line of the ACL file says of the topics it names.
type permission byte

const (
	read permission = 1 << iota
	write
	deny permission = 0
)

// permissions are the words of the file.
var permissions = map[string]permission{
	"read": read, "write": write, "readwrite": read | write, "deny": deny,
}

// acl is one ACL file. It does not change once published.
type acl struct {
	anonymous []rule
	byUser    map[string][]rule
	patterns  []pattern
}

// rule is a `topic` line.
type rule struct {
	permission permission
	filter     filter
}

// pattern is a `pattern` line, whose %u and %c are filled in per connection.
type pattern struct {
	permission permission
	text       string
}

// aclParser walks over the lines of a file.
type aclParser struct {
	acl   *acl
	user  string // whose `topic` lines come; "" for anonymous
	line  int
	wrong *faults
}

// parseACL reads an ACL file: `user NAME`, `topic [read|write|readwrite|deny]
// FILTER` and `pattern [...] FILTER` lines, words apart by spaces, comments
// whose `#` is the first character, blank lines. A filter may contain spaces
// when the permission is given. `topic` lines before the first user are for
// those without a name; patterns are for all. path is for the errors, which name
// every faulty line and what to do.
func parseACL(path string, text []byte) (*acl, error) {
	p := &aclParser{acl: &acl{byUser: map[string][]rule{}}, wrong: &faults{path: path}}
	for line := range strings.Lines(string(text)) {
		p.line++
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		p.parse(strings.Trim(line, " \r\n"))
	}
	return p.acl, p.wrong.err()
}

func (p *aclParser) parse(line string) {
	word, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimLeft(rest, " ")
	switch word {
	case "user":
		p.parseUser(rest)
	case "topic":
		if may, text, ok := p.parseRule(word, rest); ok {
			p.addTopic(may, text)
		}
	case "pattern":
		if may, text, ok := p.parseRule(word, rest); ok {
			p.acl.patterns = append(p.acl.patterns, pattern{may, text})
		}
	default:
		p.wrong.addf(p.line, "%q is not user, topic or pattern; words are parted by spaces, and a comment's # is the first character", word)
	}
}

func (p *aclParser) parseUser(name string) {
	if why := badUser(name); why != "" {
		p.wrong.addf(p.line, "%s", why)
		return
	}
	p.user = name
}

// parseRule reads what follows `topic` or `pattern`.
func (p *aclParser) parseRule(keyword, rest string) (may permission, text string, ok bool) {
	word, text, two := strings.Cut(rest, " ")
	may, known := permissions[word]
	switch {
	case rest == "" || known && !two:
		p.wrong.addf(p.line, "no topic filter; write: %s read|write|readwrite|deny FILTER", keyword)
		return 0, "", false
	case !two:
		may, text = read|write, rest
	case !known:
		p.wrong.addf(p.line, "%q is not read, write, readwrite or deny; use one of these", word)
		return 0, "", false
	}
	text = strings.TrimLeft(text, " ")
	if _, err := parseFilter(text); err != nil {
		p.wrong.addf(p.line, "%v", err)
		return 0, "", false
	}
	return may, text, true
}

func (p *aclParser) addTopic(may permission, text string) {
	r := rule{may, cutFilter(text)}
	if p.user == "" {
		p.acl.anonymous = append(p.acl.anonymous, r)
		return
	}
	p.acl.byUser[p.user] = append(p.acl.byUser[p.user], r)
}
