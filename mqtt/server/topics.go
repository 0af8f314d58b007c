package server

import (
	"strings"
	"sync"
)

// options are what a subscription says beside its filter.
type options struct {
	qos     byte
	noLocal bool
}

// topics finds the subscribers of a topic: a tree with a node for each level of the
// filters. Safe for concurrent use.
type topics struct {
	mu   sync.RWMutex
	root node
}

type node struct {
	below map[string]*node // by level; + and # are levels too
	subs  map[*connection]options
}

// add subscribes c to a valid filter, in place of an earlier subscription.
func (t *topics) add(filter string, c *connection, o options) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := &t.root
	for level := range strings.SplitSeq(filter, "/") {
		n = n.child(level)
	}
	if n.subs == nil {
		n.subs = map[*connection]options{}
	}
	n.subs[c] = o
}

func (n *node) child(level string) *node {
	child := n.below[level]
	if child == nil {
		child = &node{}
		if n.below == nil {
			n.below = map[string]*node{}
		}
		n.below[strings.Clone(level)] = child
	}
	return child
}

// remove ends a subscription; false: there was none.
func (t *topics) remove(filter string, c *connection) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.root.remove(filter, c)
}

// remove takes out of the tree what nobody needs any more.
func (n *node) remove(filter string, c *connection) (found bool) {
	level, rest, more := strings.Cut(filter, "/")
	child := n.below[level]
	if child == nil {
		return false
	}
	if more {
		found = child.remove(rest, c)
	} else if _, found = child.subs[c]; found {
		delete(child.subs, c)
	}
	if len(child.below) == 0 && len(child.subs) == 0 {
		delete(n.below, level)
	}
	return found
}

// subscriber is a match: who, and the highest QoS that it gets.
type subscriber struct {
	conn *connection
	qos  byte
}

// match returns the subscribers of a topic name, each once, with the highest QoS of
// those of its filters that match [MQTT-3.3.4-2]. from is the connection that
// published, nil for none: its filters with no local do not count.
func (t *topics) match(topic string, from *connection) []subscriber {
	t.mu.RLock()
	defer t.mu.RUnlock()
	m := matching{from: from}
	m.walk(&t.root, topic, true, !strings.HasPrefix(topic, "$"))
	return m.distinct()
}

// matching is a search.
type matching struct {
	from  *connection
	found []subscriber
	nodes int // that contributed
}

// walk matches the levels of rest below n; wild: + and # count at this level
// [MQTT-4.7.2-1].
func (m *matching) walk(n *node, rest string, more, wild bool) {
	if wild {
		m.take(n.below["#"]) // also matches the level above [MQTT 4.7.1.2]
	}
	if !more {
		m.take(n)
		return
	}
	level, rest, more := strings.Cut(rest, "/")
	if child := n.below[level]; child != nil {
		m.walk(child, rest, more, true)
	}
	if child := n.below["+"]; child != nil && wild {
		m.walk(child, rest, more, true)
	}
}

func (m *matching) take(n *node) {
	if n == nil || len(n.subs) == 0 {
		return
	}
	m.nodes++
	for c, o := range n.subs {
		if !o.noLocal || c != m.from { // [MQTT-3.8.3-3]
			m.found = append(m.found, subscriber{c, o.qos})
		}
	}
}

// distinct merges what several filters found.
func (m *matching) distinct() []subscriber {
	if m.nodes < 2 {
		return m.found
	}
	at := make(map[*connection]int, len(m.found))
	kept := m.found[:0]
	for _, s := range m.found {
		i, known := at[s.conn]
		if !known {
			at[s.conn] = len(kept)
			kept = append(kept, s)
			continue
		}
		kept[i].qos = max(kept[i].qos, s.qos)
	}
	return kept
}
