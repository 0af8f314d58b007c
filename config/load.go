package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// DefaultPath is the file that services read without a -config flag.
const DefaultPath = "sluice.yaml"

// maxFile is the limit of every file read here, in bytes.
const maxFile = 1 << 20

// Option adapts Load to the program that calls it.
type Option func(*loader)

// Only reads the given top-level keys and leaves the others at their defaults:
// of those only the name is checked. A service passes the keys it uses, so that
// it needs no secret and no variable of another service. Without this option
// everything is read. An unknown key panics.
func Only(keys ...string) Option {
	known := keysOf(fieldsOf(reflect.TypeFor[Config]()))
	for _, key := range keys {
		if !slices.Contains(known, key) {
			panic("config: Only: no top-level key " + key)
		}
	}
	return func(l *loader) { l.only = keys }
}

// Sinks gives the names that `sink` of a route may take. Without this option
// sinks are not checked.
func Sinks(names ...string) Option {
	return func(l *loader) { l.sinks, l.checkSinks = names, true }
}

// Handled gives the topics for which the program itself has registered a
// handler: their routes need no sink.
func Handled(topics ...string) Option {
	return func(l *loader) { l.handled = topics }
}

// Default returns the configuration of an empty file: complete except for the
// required fields, which are zero.
func Default() *Config {
	c := &Config{}
	setDefaults(reflect.ValueOf(c).Elem())
	c.Routes = defaultRoutes()
	return c
}

// Load reads the file at path, puts the environment (as of os.Environ) on top
// and fills in defaults. With path "" it reads DefaultPath if that exists, and
// else the environment alone. It starts nothing and opens no connection, but
// reads every secret and certificate that is named. The error, if any, is
// *Faults with everything that is wrong.
//
// A variable is called SLUICE_ and the path of its key, upper-case, with
// underscores for dots: SLUICE_QUEUE_REDIS_URL. An empty one counts as not set.
// Relative paths start at the folder of the file, in variables at the working
// directory.
func Load(path string, env []string, opts ...Option) (*Config, error) {
	data, name, err := readConfig(path)
	if err != nil {
		return nil, &Faults{[]Fault{{File: name, Text: err.Error()}}}
	}
	return load(name, data, env, opts...)
}

// readConfig returns the bytes of the file and its name; "" and no bytes when
// there is none and none was asked for.
func readConfig(path string) (data []byte, name string, err error) {
	name = path
	if path == "" {
		name = DefaultPath
	}
	data, err = readFile(name)
	switch {
	case path == "" && errors.Is(err, fs.ErrNotExist):
		return nil, "", nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, name, errors.New("no such file; write one with `sluice config example`, or name another with -config")
	}
	return data, name, err
}

// load is Load on bytes. name is "" when there is no file.
func load(name string, data []byte, env []string, opts ...Option) (*Config, error) {
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
	l.applyEnv()
	root, whole := l.parseYAML(data)
	if root != nil {
		l.decodeStruct(root, reflect.ValueOf(l.cfg).Elem(), "")
	}
	if whole {
		l.check()
	}
	if len(l.faults.List) > 0 {
		l.faults.sort()
		return nil, &l.faults
	}
	return l.cfg, nil
}

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

// fault records a fault at a path: at the place where its value was given, or
// else where the nearest section around it begins. No other fault of this path
// follows.
func (l *loader) fault(path, format string, args ...any) {
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

// faultAt records a fault at a line, for what has no origin yet.
func (l *loader) faultAt(line int, path, format string, args ...any) {
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
		l.fault(written, "%v", err)
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

// readSecret returns the content of a file without the newline at its end.
func readSecret(path string) (string, error) {
	data, err := readFile(path)
	text := strings.TrimRight(string(data), "\r\n")
	if err == nil && text == "" {
		return "", fmt.Errorf("%s is empty", quote(path))
	}
	return text, err
}

// readFile reads a regular file of at most maxFile bytes; a pipe or a device
// could block or never end.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", quote(path))
	}
	if err == nil && info.Size() > maxFile {
		return nil, fmt.Errorf("%s is larger than %s", quote(path), formatSize(maxFile))
	}
	if err != nil {
		return nil, unreadable(path, err)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, unreadable(path, err)
	}
	return data, nil
}

// unreadable wraps an error of a file operation in few words.
func unreadable(path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("cannot read %s: %w", quote(path), err)
}

// parseYAML returns the node of the top-level mapping, nil when there is none.
// whole is false when the text is not YAML: what it lacks is then unknown.
func (l *loader) parseYAML(data []byte) (root *yaml.Node, whole bool) {
	var docs []*yaml.Node
	loader, err := yaml.NewLoader(strings.NewReader(string(data)))
	for err == nil {
		var doc yaml.Node
		if err = loader.Load(&doc); err == nil {
			docs = append(docs, &doc)
		}
	}
	switch {
	case !errors.Is(err, io.EOF):
		l.syntaxFault(err, data)
		return nil, false
	case len(docs) == 0 || len(docs[0].Content) == 0:
		return nil, true
	case len(docs) > 1:
		l.faultAt(docs[1].Line, "", "a second document begins here; use one document, without ---")
	}
	return docs[0].Content[0], true
}
