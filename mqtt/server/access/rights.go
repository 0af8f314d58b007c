package access

import (
	"bytes"
	"strings"
)

const (
	// maxKnown is how many topics a connection remembers; a device has a few.
	maxKnown = 64
	// maxKnownTopic is the longest topic it remembers, in bytes.
	maxKnownTopic = 256
)

// Rights are what one client may do, as the files were when Access.Rights made
// them. Write is for one goroutine at a time; Read and Subscribe are for any, at
// any time.
type Rights struct {
	all           bool
	reads, writes []filter
	denied        []filter
	known         map[string]bool // answers of Write
}

// rights works out what the ACL says of a client; user is "" without a name.
func (a *acl) rights(user, client string) *Rights {
	r := &Rights{known: map[string]bool{}}
	own := a.anonymous
	if user != "" {
		own = a.byUser[user]
	}
	for _, one := range own {
		r.add(one.permission, one.filter)
	}
	names := newNames(user, client)
	for _, p := range a.patterns {
		fill := names.grant
		if p.permission == deny {
			fill = names.deny
		}
		if f, ok := fill(p.text); ok {
			r.add(p.permission, f)
		}
	}
	return r
}

func (r *Rights) add(p permission, f filter) {
	if p == deny {
		r.denied = append(r.denied, f)
	}
	if p&read != 0 {
		r.reads = append(r.reads, f)
	}
	if p&write != 0 {
		r.writes = append(r.writes, f)
	}
}

// Write tells whether the client may publish to a topic, also by its last will.
// topic is a valid topic name [MQTT 4.7.3] and not retained. `$SYS` is the
// server's own, whatever the file says. A topic asked for before costs a look
// into a map and no allocation.
func (r *Rights) Write(topic []byte) bool {
	if r.all {
		return !bytes.HasPrefix(topic, []byte("$SYS"))
	}
	if may, known := r.known[string(topic)]; known {
		return may
	}
	return r.learn(string(topic))
}

func (r *Rights) learn(topic string) bool {
	may := !strings.HasPrefix(topic, "$SYS") && r.grants(r.writes, topic)
	if len(topic) > maxKnownTopic {
		return may
	}
	if len(r.known) == maxKnown {
		clear(r.known)
	}
	r.known[topic] = may
	return may
}

// Read tells whether a message may be delivered to the client. It is asked for
// each delivery: a subscription says nothing of it.
func (r *Rights) Read(topic string) bool {
	return r.all || r.grants(r.reads, topic)
}

// Subscribe tells whether a filter can match a topic that Read allows; the
// filter may match others too. An invalid filter can not. It takes each deny
// line alone: a filter that is denied only by several together is allowed, and
// Read then allows nothing of it.
func (r *Rights) Subscribe(text string) bool {
	if r.all {
		return true
	}
	f, err := parseFilter(text)
	if err != nil {
		return false
	}
	for _, readable := range r.reads {
		if both, ok := f.intersect(readable); ok && !r.covered(both) {
			return true
		}
	}
	return false
}

func (r *Rights) grants(list []filter, topic string) bool {
	return matches(list, topic) && !matches(r.denied, topic)
}

func (r *Rights) covered(f filter) bool {
	for _, d := range r.denied {
		if d.covers(f) {
			return true
		}
	}
	return false
}

func matches(list []filter, topic string) bool {
	for _, f := range list {
		if f.match(topic) {
			return true
		}
	}
	return false
}
