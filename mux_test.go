package sluice

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func ignore(context.Context, *Batch) error { return nil }

func TestMux_Add_PanicsOnMistakes(t *testing.T) {
	t.Parallel()
	h := HandlerFunc(ignore)
	tests := []struct {
		name  string
		route Route
		want  string
	}{
		{"no topic", Route{Handler: h}, "sluice: route without a topic"},
		{"no handler", Route{Topics: []string{"a"}}, "sluice: route a: no handler"},
		{"faulty filter", Route{Topics: []string{"a", "b/#/c"}, Handler: h}, `sluice: route a: topic filter "b/#/c": # must be the last level`},
		{"faulty policy", Route{Topics: []string{"a"}, Policy: Policy{Max: 1, Min: 2}, Handler: h}, "sluice: route a: min 2 is above max 1"},
		{"registered already", Route{Topics: []string{"taken/{x}"}, Handler: h}, `sluice: route taken/{x}: filter "taken/{x}" is registered already as "taken/{device}"`},
		{"twice in one route", Route{Topics: []string{"a/+", "a/{x}"}, Handler: h}, `sluice: route a/+: filter "a/{x}" is registered already as "a/+"`},
		{"the broker's", Route{Topics: []string{"$SYS/broker"}, Handler: h}, "sluice: route $SYS/broker: topics that begin with $ belong to the broker"},
		{"an internal queue's", Route{Topics: []string{QueueDead}, Handler: h}, "sluice: route $dead: topics that begin with $"},
		{"shared", Route{Topics: []string{"$share/g/a"}, Handler: h}, "shared subscriptions bypass the broker's ACL"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := NewMux()
			m.Handle("taken/{device}", Policy{}, h)
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, test.want) {
					t.Errorf("got panic %q, want %q", got, test.want)
				}
			}()
			m.Add(test.route)
		})
	}
}

func TestMux_Add_SetsDefaults(t *testing.T) {
	t.Parallel()
	m := NewMux()
	m.Add(Route{Topics: []string{"data/sensor", "data/sensor/{device}"}, Handler: HandlerFunc(ignore)})
	m.Add(Route{Topics: []string{"other"}, Policy: Policy{Max: 7}, Handler: HandlerFunc(ignore), Concurrency: 3, MaxPayload: 9})
	a, b := m.Routes()[0], m.Routes()[1]
	if a.Policy != (Policy{}).Resolve() || a.Concurrency != 1 || a.MaxPayload != MaxPayload || a.Queue() != "data/sensor" || len(a.Filters()) != 2 {
		t.Errorf("got %+v", a)
	}
	if b.Policy != (Policy{Max: 7}).Resolve() || b.Concurrency != 3 || b.MaxPayload != 9 || b.Queue() != "other" {
		t.Errorf("got %+v", b)
	}
}

func TestMux_Match_PicksTheMostSpecific(t *testing.T) {
	t.Parallel()
	orders := [][]string{
		{"#", "data/#", "data/{x}", "data/sensor", "+/sensor", "data/+/temp"},
		{"data/+/temp", "+/sensor", "data/sensor", "data/{x}", "data/#", "#"},
		{"data/{x}", "#", "data/sensor", "data/#", "data/+/temp", "+/sensor"},
	}
	want := map[string]string{
		"data/sensor": "data/sensor", "data/door": "data/{x}", "data": "data/#", "data/a/b/c": "data/#", "data/a/temp": "data/+/temp",
		"lwt/sensor": "+/sensor", "lwt": "#", "a/b": "#", "$SYS/x": "",
	}
	for _, order := range orders {
		m := NewMux()
		for _, topic := range order {
			m.Handle(topic, Policy{}, HandlerFunc(ignore))
		}
		for topic, queue := range want {
			r, i := m.Match(topic)
			switch {
			case queue == "":
				if r != nil || i != -1 {
					t.Errorf("%s: got filter %d, want none", topic, i)
				}
			case r == nil || r.Queue() != queue || m.Filters()[i].String() != queue:
				t.Errorf("%s, registered in order %q: got filter %d, want %s", topic, order, i, queue)
			}
		}
	}
}

func TestMux_Filters_MostSpecificFirst(t *testing.T) {
	t.Parallel()
	m := NewMux()
	m.Add(Route{Topics: []string{"data/#", "b"}, Handler: HandlerFunc(ignore)})
	m.Add(Route{Topics: []string{"a", "data/{x}"}, Handler: HandlerFunc(ignore)})
	var got []string
	for _, f := range m.Filters() {
		got = append(got, f.String())
	}
	// b before a: those that tie stay in the order of registration.
	if d := cmp.Diff([]string{"data/{x}", "b", "a", "data/#"}, got); d != "" {
		t.Errorf("filters (-want +got):\n%s", d)
	}
	if r, _ := m.Match("b"); r != m.Routes()[0] {
		t.Error("b is not matched by the first route")
	}
}

func TestMux_Use_FirstIsOutermost(t *testing.T) {
	t.Parallel()
	var calls []string
	named := func(name string) Middleware {
		return func(next Handler) Handler {
			return HandlerFunc(func(ctx context.Context, b *Batch) error {
				calls = append(calls, name)
				return next.Handle(ctx, b)
			})
		}
	}
	failed := errors.New("failed")
	m := NewMux()
	m.Use(named("first"), named("second"))
	m.Handle("a", Policy{Timeout: time.Minute}, HandlerFunc(func(context.Context, *Batch) error {
		calls = append(calls, "handler")
		return failed
	}))
	m.Use(named("third"))
	if err := m.handler(m.Routes()[0]).Handle(t.Context(), &Batch{}); err != failed {
		t.Errorf("got error %v, want the handler's", err)
	}
	if d := cmp.Diff([]string{"first", "second", "third", "handler"}, calls); d != "" {
		t.Errorf("calls (-want +got):\n%s", d)
	}
}
