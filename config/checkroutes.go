package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"sluice"
)

// sensorSink is the sink of the default route.
const sensorSink = "sensor"

func defaultRoutes() []Route {
	r := Route{}
	setDefaults(reflect.ValueOf(&r).Elem())
	r.Topics = []string{"data/sensor", "data/sensor/{device}"}
	r.Sink = sensorSink
	return []Route{r}
}

func (l *loader) checkRoutes() {
	if l.skip("routes") {
		return
	}
	if !l.given("routes") && l.checkSinks && !slices.Contains(l.sinks, sensorSink) {
		l.cfg.Routes = nil
	}
	if len(l.cfg.Routes) == 0 && len(l.handled) == 0 {
		l.faultf("routes", "there is no route; give at least one, with topic and sink")
	}
	handled := subscriptions(l.handled)
	seen := map[string]string{} // subscription -> path
	for i := range l.cfg.Routes {
		path := fmt.Sprintf("routes[%d]", i)
		if l.broken(path) {
			continue
		}
		r := &l.cfg.Routes[i]
		l.checkRequired(reflect.ValueOf(r).Elem(), path)
		own := l.checkTopics(r, path, seen, handled)
		l.checkSink(r, path, own)
		l.checkPolicy(r, path, own)
		l.checkSilentAfter(r, path)
	}
}

// checkTopics looks at every topic of a route; own tells whether the program
// itself handles one of them.
func (l *loader) checkTopics(r *Route, path string, seen map[string]string, handled []string) (own bool) {
	if l.given(path+".topic") && len(r.Topics) == 0 {
		l.faultf(path+".topic", "the list is empty; give at least one topic")
	}
	for j, topic := range r.Topics {
		at := fmt.Sprintf("%s.topic[%d]", path, j)
		if !l.given(at) {
			at = path + ".topic"
		}
		if l.broken(at) {
			continue
		}
		f, err := sluice.ParseFilter(topic)
		if err != nil {
			l.faultf(at, "%v", err)
			continue
		}
		if why := reserved(f.Subscription()); why != "" {
			l.faultf(at, "%s %s", quote(topic), why)
			continue
		}
		if other, ok := seen[f.Subscription()]; ok {
			l.faultf(at, "%s matches the same topics as %s; keep one", quote(topic), other)
			continue
		}
		seen[f.Subscription()] = at
		own = own || slices.Contains(handled, f.Subscription())
	}
	return own
}

// reserved tells why a filter cannot be a user's; "" when it can.
func reserved(subscription string) string {
	first, rest, _ := strings.Cut(subscription, "/")
	switch {
	case strings.HasPrefix(first, "$"):
		return "begins with $; such topics and queues are internal"
	case (first == "connect" || first == "lwt") && !strings.Contains(rest, "/"):
		return "is reserved for presence; choose another topic"
	case strings.HasPrefix(subscription, "sluice/sync/"):
		return "is reserved for the router's own marker; choose another topic"
	}
	return ""
}

func (l *loader) checkSink(r *Route, path string, own bool) {
	at := path + ".sink"
	switch {
	case !l.checkSinks || l.broken(at):
	case own && r.Sink != "":
		l.faultf(at, "the program handles this topic itself; remove the sink")
	case r.Sink != "" && !slices.Contains(l.sinks, r.Sink):
		l.faultf(at, "unknown sink %s; %s", quote(r.Sink), suggest(r.Sink, l.sinks))
	case r.Sink == "" && !own && !l.broken(path+".topic"): // who handles a faulty topic is not known
		l.faultf(at, "missing; %s", suggest("", l.sinks))
	}
}

// checkPolicy applies the rules of sluice.Policy. A handler of the program
// brings a policy of its own, which is not known here; the mux checks both.
func (l *loader) checkPolicy(r *Route, path string, own bool) {
	at := path + ".batch"
	if own || l.brokenBelow(at) {
		return
	}
	err := r.Batch.Policy().Check()
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			l.faultf(at, "%v", e)
		}
	} else if err != nil {
		l.faultf(at, "%v", err)
	}
}

// checkSilentAfter reports a time that is too short, and one that has no effect
// because no message of the route says which device sent it.
func (l *loader) checkSilentAfter(r *Route, path string) {
	at := path + ".silent_after"
	if r.SilentAfter == sluice.Never {
		r.SilentAfter = 0
	}
	switch {
	case r.SilentAfter == 0 || l.broken(at):
	case r.SilentAfter < time.Second:
		l.faultf(at, "%s is not allowed; use 1s to 7d, or never", formatDuration(r.SilentAfter))
	case r.Sink != sensorSink && !l.brokenBelow(path+".topic") && !l.broken(path+".sink") && !slices.ContainsFunc(r.Topics, namesDevice):
		l.faultf(at, "no topic of this route has the level {device}, so the device cannot be known; name it so, like data/door/{device}")
	}
}

// namesDevice tells whether the device is a level of the topic.
func namesDevice(topic string) bool { return slices.Contains(strings.Split(topic, "/"), "{device}") }

// brokenBelow tells whether there is a fault at path or inside it.
func (l *loader) brokenBelow(path string) bool {
	for p := range l.bad {
		if strings.HasPrefix(p, path+".") || strings.HasPrefix(p, path+"[") {
			return true
		}
	}
	return l.broken(path)
}

// subscriptions returns the filters as MQTT writes them; faulty ones, which the
// mux refuses, are left out.
func subscriptions(topics []string) []string {
	var out []string
	for _, topic := range topics {
		if f, err := sluice.ParseFilter(topic); err == nil {
			out = append(out, f.Subscription())
		}
	}
	return out
}
