package users

import (
	"fmt"
	"slices"
	"strings"
)

// Role is what a user is.
type Role string

// The roles.
const (
	Router Role = "router" // batch-router: it reads all topics, since its routes may name any
	Clock  Role = "clock"  // it publishes the pulse
	Device Role = "device" // it publishes on its own topics and reads the pulse
)

// ParseRole returns the role of this name; its error lists them.
func ParseRole(text string) (Role, error) {
	if r := Role(text); slices.Contains([]Role{Router, Clock, Device}, r) {
		return r, nil
	}
	return "", fmt.Errorf("%q is no role; use router, clock or device", text)
}

// newACL is an ACL file that has no users yet.
const newACL = `# Who may do what; see mosquitto.conf(5). Lines of single users are added and removed by
# ` + "`sluice users`" + `, which leaves all others alone.
#
# Every user, %u, has topics that end in its own name, and may listen to the pulse.
pattern write connect/%u
pattern write lwt/%u
pattern write data/+/%u
pattern read pulse
`

// topics are the role's own lines of the ACL file.
func (r Role) topics() []string {
	switch r {
	case Router:
		return []string{"read #", "read $SYS/broker/uptime", "readwrite sluice/sync/+"}
	case Clock:
		return []string{"write pulse"}
	default:
		return nil
	}
}

// flatTopics are lines for firmware that does not say its name in topics.
func flatTopics() []string { return []string{"write connect", "write lwt", "write data/sensor"} }

// User is one user.
type User struct {
	Name string `json:"name"` // by sluice.ValidName
	Role Role   `json:"role"`
	// FlatTopics lets a device publish on `connect`, `lwt` and `data/sensor` too, where
	// nothing holds it to its own name.
	FlatTopics bool `json:"flat_topics"`
	// Others are lines of the ACL file for this user that somebody else has written.
	Others []string `json:"others,omitempty"`
}

// topics are the lines that the user has beside the patterns.
func (u User) topics() []string {
	topics := u.Role.topics()
	if u.FlatTopics {
		topics = append(topics, flatTopics()...)
	}
	return topics
}

// recognise tells what a user is by its lines.
func recognise(name string, topics []string) User {
	u := User{Name: name, Role: Device}
	for _, r := range []Role{Clock, Router} {
		if containsAll(topics, r.topics()) {
			u.Role = r
		}
	}
	u.FlatTopics = containsAll(topics, flatTopics())
	for _, t := range topics {
		if !slices.Contains(u.topics(), t) {
			u.Others = append(u.Others, t)
		}
	}
	return u
}

func containsAll(list, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(w string) bool { return !slices.Contains(list, w) })
}

// words are the rights of the user for people.
func (u User) words() []string {
	switch {
	case u.Role == Router:
		return []string{"reads all topics"}
	case u.Role == Clock:
		return []string{"publishes the pulse"}
	case u.FlatTopics:
		return []string{"own topics", "flat topics"}
	default:
		return []string{"own topics"}
	}
}

// Rights says in words what the user may do.
func (u User) Rights() string {
	return strings.Join(append(u.words(), u.Others...), "; ")
}
