package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// loader is the state of one Load. One goroutine owns it.
type loader struct {
	file       string
	env        map[string]string
	only       []string
	sinks      []string
	checkSinks bool
	handled    []string

	cfg     *Config
	origins map[string]origin // path of everything that was given -> where
	bad     map[string]bool   // paths with a fault: no further check of them
	faults  Faults
}

// newLoader returns a loader for the file of that name, "" for none.
func newLoader(name string, env []string, opts []Option) *loader {
	l := &loader{
		file:    name,
		env:     environ(env),
		cfg:     Default(),
		origins: map[string]origin{},
		bad:     map[string]bool{},
	}
	for _, o := range opts {
		o(l)
	}
	return l
}

// load reads the environment first and then, from the bytes of the file, what
// the environment leaves open.
func (l *loader) load(data []byte) (*Config, error) {
	l.applyEnv()
	root, whole := l.parseYAML(data)
	if root != nil {
		l.decodeStruct(root, reflect.ValueOf(l.cfg).Elem(), "")
		l.findDoor(root)
	}
	if whole {
		l.check()
	}
	return l.result()
}

// result returns the configuration, or every fault if there is one.
func (l *loader) result() (*Config, error) {
	if len(l.faults.List) > 0 {
		l.faults.sort()
		return nil, &l.faults
	}
	return l.cfg, nil
}

// origin is where a value was given.
type origin struct {
	key  string // as written: password_file, SLUICE_BROKER_PASSWORD_FILE
	line int    // in the file
	env  bool
}

// reads tells whether the top-level key of path is to be read.
func (l *loader) reads(path string) bool {
	top, _, _ := strings.Cut(path, ".")
	top, _, _ = strings.Cut(top, "[")
	return l.only == nil || slices.Contains(l.only, top)
}

// faultf records a fault at a path: at the place where its value was given, or
// else where the nearest section around it begins. No other fault of this path
// follows.
func (l *loader) faultf(path, format string, args ...any) {
	l.bad[path] = true
	at, shown := l.where(path)
	file := l.file
	if at.env || l.file == "" {
		file = environment
	}
	l.faults.List = append(l.faults.List, Fault{file, at.line, shown, fmt.Sprintf(format, args...)})
}

// where returns the origin of a path and what to call it.
func (l *loader) where(path string) (at origin, shown string) {
	if o, ok := l.origins[path]; ok && o.env {
		return o, o.key
	}
	for p := path; p != ""; p = parent(p) {
		if o, ok := l.origins[p]; ok && !o.env {
			return o, path
		}
	}
	return origin{}, path
}

// faultAtf records a fault at a line, for what has no origin yet.
func (l *loader) faultAtf(line int, path, format string, args ...any) {
	l.bad[path] = true
	l.faults.List = append(l.faults.List, Fault{l.file, line, path, fmt.Sprintf(format, args...)})
}

// given tells whether a path has a value of its own, right or wrong.
func (l *loader) given(path string) bool {
	_, ok := l.origins[path]
	return ok
}

// put parses text, which came from o, into the value v of field f at path.
func (l *loader) put(path string, f field, v reflect.Value, text string, o origin) {
	written := path
	if f.fromFile {
		path = strings.TrimSuffix(path, "_file")
	}
	l.origins[path], l.origins[written] = o, o
	var err error
	if !o.env {
		text, err = expand(text, l.env)
	}
	if err == nil && f.fromFile {
		text, err = readSecret(l.resolve(text, o))
	}
	if err == nil && (f.has("file") || f.has("path")) && text != "" {
		text = l.resolve(text, o)
	}
	if err == nil && f.has("file") {
		_, err = readFile(text)
	}
	if err == nil {
		err = parse(v, f, text)
	}
	if err != nil {
		l.bad[path] = true
		l.faultf(written, "%v", err)
	}
}

// overridden tells whether a variable has replaced the value at path; a secret
// and its file are one value.
func (l *loader) overridden(path string, f field) bool {
	if f.fromFile {
		path = strings.TrimSuffix(path, "_file")
	}
	return l.origins[path].env
}

// broken tells whether a fault was found at path or at a section around it.
func (l *loader) broken(path string) bool {
	for p := path; p != ""; p = parent(p) {
		if l.bad[p] {
			return true
		}
	}
	return false
}

// parent returns the path around a path, "" for a top-level key.
func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

// resolve makes a relative path of the file start at the file's folder.
func (l *loader) resolve(path string, o origin) string {
	if o.env || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(l.file), path)
}
