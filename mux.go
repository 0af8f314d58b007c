package sluice

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Route binds topics to a handler.
type Route struct {
	// Topics are filters (see Filter), at least one. The first names the queue.
	Topics []string
	// Policy says when batches are sealed; the zero value is the default policy.
	Policy Policy
	// Handler receives the batches.
	Handler Handler
	// Concurrency is how many batches of the route are handled at the same time,
	// over all replicas. Default 1: batches are handled in order, and one that is
	// in retry holds those behind it.
	Concurrency int
	// MaxPayload is the largest payload in bytes; a larger message becomes a
	// dead letter. Default MaxPayload.
	MaxPayload int
	// SilentAfter takes a device down when its last message came on this route and
	// nothing followed it for so long. 0: never.
	SilentAfter time.Duration
	// Identify returns the name of the device that a payload comes from, a part of
	// the payload, or nil when it names none. It is called at ingest for the messages
	// of topics without {device}, so it must be fast and keep nothing. Nil: the
	// payloads name no device.
	Identify func(payload []byte) []byte

	filters []Filter
}

// Queue returns the name of the route's queue: its first topic.
func (r *Route) Queue() string { return r.Topics[0] }

// Filters returns the route's topics, parsed.
func (r *Route) Filters() []Filter { return r.filters }

// Mux chooses the route of a topic: of all filters that match, the most
// specific one. Register everything before the router is made; a Mux must not
// change afterwards. Registration mistakes panic.
type Mux struct {
	routes     []*Route
	filters    []muxFilter // most specific first
	middleware []Middleware
}

// muxFilter leads to a route, or makes moves of devices.
type muxFilter struct {
	Filter
	route int
	move  MoveKind // 0 for a route
}

// NewMux returns an empty Mux.
func NewMux() *Mux { return &Mux{} }

// Handle registers a handler for one topic filter.
func (m *Mux) Handle(topic string, policy Policy, h Handler) {
	m.Add(Route{Topics: []string{topic}, Policy: policy, Handler: h})
}

// Use wraps the handlers of all routes, those registered before and after, with
// middleware; the first given is the outermost.
func (m *Mux) Use(mw ...Middleware) { m.middleware = append(m.middleware, mw...) }

// Add registers a route. It panics on a faulty filter or policy, on a missing
// handler, and on a filter that would match the same topics as another.
func (m *Mux) Add(r Route) {
	if err := m.add(r); err != nil {
		panic("sluice: " + err.Error())
	}
}

// WatchPresence registers the topics on which devices tell of themselves:
// connect, lwt, and both with /{device}. A router whose Config has Presence needs
// it; call it once, before the routes.
func (m *Mux) WatchPresence() {
	for _, r := range []struct {
		pattern string
		move    MoveKind
	}{
		{TopicConnect, MoveConnect},
		{TopicConnect + "/{device}", MoveConnect},
		{TopicWill, MoveWill},
		{TopicWill + "/{device}", MoveWill},
	} {
		f, err := ParseFilter(r.pattern)
		if err == nil {
			err = m.reserve(muxFilter{Filter: f, move: r.move})
		}
		if err != nil {
			panic("sluice: " + err.Error())
		}
	}
}

// reserve adds a filter that no other may equal.
func (m *Mux) reserve(f muxFilter) error {
	for _, other := range m.filters {
		if other.Subscription() == f.Subscription() {
			return fmt.Errorf("filter %q is registered already as %q", f, other)
		}
	}
	m.filters = append(m.filters, f)
	slices.SortStableFunc(m.filters, func(a, b muxFilter) int { return cmp.Compare(b.compare(a.Filter), 0) })
	return nil
}

func (m *Mux) add(r Route) error {
	if len(r.Topics) == 0 {
		return fmt.Errorf("route without a topic")
	}
	if r.Handler == nil {
		return fmt.Errorf("route %s: no handler", r.Queue())
	}
	if err := r.Policy.Check(); err != nil {
		return fmt.Errorf("route %s: %w", r.Queue(), err)
	}
	r.Policy = r.Policy.Resolve()
	r.Concurrency = max(r.Concurrency, 1)
	if r.MaxPayload <= 0 {
		r.MaxPayload = MaxPayload
	}
	for _, topic := range r.Topics {
		f, err := ParseFilter(topic)
		if err != nil {
			return fmt.Errorf("route %s: %w", r.Queue(), err)
		}
		if strings.HasPrefix(topic, "$") {
			return fmt.Errorf("route %s: topics that begin with $ belong to the broker", r.Queue())
		}
		if err := m.reserve(muxFilter{Filter: f, route: len(m.routes)}); err != nil {
			return fmt.Errorf("route %s: %w", r.Queue(), err)
		}
		r.filters = append(r.filters, f)
	}
	m.routes = append(m.routes, &r)
	return nil
}

// Routes returns the registered routes, in order of registration.
func (m *Mux) Routes() []*Route { return m.routes }

// Filters returns every filter of every route, the most specific first: what a
// Source subscribes to. The subscription identifier of a filter is 1 + its
// index.
func (m *Mux) Filters() []Filter {
	out := make([]Filter, len(m.filters))
	for i, f := range m.filters {
		out[i] = f.Filter
	}
	return out
}

// Match returns the route of a topic and the index of the filter that chose it
// in Filters; nil when no route's filter matches best.
func (m *Mux) Match(topic string) (r *Route, filter int) {
	i := slices.IndexFunc(m.filters, func(f muxFilter) bool { return f.Match(topic) })
	if i < 0 || m.filters[i].move != 0 {
		return nil, i
	}
	return m.routes[m.filters[i].route], i
}

// handler returns the route's handler inside the middleware.
func (m *Mux) handler(r *Route) Handler {
	h := r.Handler
	for _, mw := range slices.Backward(m.middleware) {
		h = mw(h)
	}
	return h
}
