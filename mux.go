package sluice

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
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

type muxFilter struct {
	Filter
	route int
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
		for _, other := range m.filters {
			if other.Subscription() == f.Subscription() {
				return fmt.Errorf("route %s: filter %q is registered already as %q", r.Queue(), topic, other)
			}
		}
		r.filters = append(r.filters, f)
		m.filters = append(m.filters, muxFilter{f, len(m.routes)})
	}
	m.routes = append(m.routes, &r)
	slices.SortStableFunc(m.filters, func(a, b muxFilter) int { return cmp.Compare(b.compare(a.Filter), 0) })
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
// in Filters; nil when no filter matches.
func (m *Mux) Match(topic string) (r *Route, filter int) {
	for i, f := range m.filters {
		if f.Match(topic) {
			return m.routes[f.route], i
		}
	}
	return nil, -1
}

// handler returns the route's handler inside the middleware.
func (m *Mux) handler(r *Route) Handler {
	h := r.Handler
	for _, mw := range slices.Backward(m.middleware) {
		h = mw(h)
	}
	return h
}
