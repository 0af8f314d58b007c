package config

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// envPrefix begins every variable that overrides a key.
const envPrefix = "SLUICE_"

// environ returns the variables by name; of two with one name the last counts.
func environ(env []string) map[string]string {
	out := make(map[string]string, len(env))
	for _, e := range env {
		if name, value, ok := strings.Cut(e, "="); ok {
			out[name] = value
		}
	}
	return out
}

// applyEnv sets what the SLUICE_ variables give.
func (l *loader) applyEnv() {
	l.cfg.Debug = l.env["DEBUG"] == "1" || l.env["DEBUG"] == "true"
	known := map[string]func(name string){}
	walk(reflect.ValueOf(l.cfg).Elem(), "", func(path string, f field, v reflect.Value) {
		known[envName(path)] = func(name string) { l.override(name, path, f, v) }
	})
	names := slices.Sorted(maps.Keys(known))
	for _, name := range slices.Sorted(maps.Keys(l.env)) {
		value := l.env[name]
		set, ok := known[name]
		switch {
		case !strings.HasPrefix(name, envPrefix), value == "", !ok && orchestrated(name, value):
		case ok:
			set(name)
		default:
			l.faults.List = append(l.faults.List, Fault{environment, 0, name, unknownVariable(name, names)})
		}
	}
}

// override sets one value from a variable, before the file is read: what the
// file says at that path is then not looked at.
func (l *loader) override(name, path string, f field, v reflect.Value) {
	if !l.reads(path) {
		return
	}
	base := strings.TrimSuffix(path, "_file")
	if o, ok := l.origins[base]; ok && o.env && f.secret() {
		l.faults.List = append(l.faults.List, Fault{environment, 0, name, o.key + " is set too; keep one"})
		return
	}
	l.put(path, f, v, l.env[name], origin{key: name, env: true})
}

func unknownVariable(name string, names []string) string {
	for _, f := range fieldsOf(reflect.TypeFor[Config]()) {
		if f.list() && strings.HasPrefix(name, envName(f.key)) {
			return "unknown variable; " + f.key + " can be given in the file only"
		}
	}
	if i := slices.IndexFunc(names, endsLike(name)); i >= 0 {
		return "unknown variable; did you mean " + names[i] + "?"
	}
	if best, ok := nearest(name, names); ok {
		return "unknown variable; did you mean " + best + "?"
	}
	return "unknown variable; the names are SLUICE_ and the path of a key, like SLUICE_CLOCK_INTERVAL"
}

// endsLike finds the variable from which only the first sections were left out:
// SLUICE_QUEUE_REDIS_URL for SLUICE_REDIS_URL.
func endsLike(name string) func(string) bool {
	end := "_" + strings.TrimPrefix(name, envPrefix)
	return func(known string) bool { return strings.HasSuffix(known, end) }
}

// link matches the names of the variables that Kubernetes sets in every pod for
// a service called sluice or sluice-...
var link = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// orchestrated tells whether an orchestrator, not a person, set the variable.
func orchestrated(name, value string) bool {
	return link.MatchString(name) || strings.HasPrefix(value, "tcp://")
}
