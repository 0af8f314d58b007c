package config

import (
	"errors"
	"io/fs"
	"reflect"
	"slices"
)

// DefaultPath is the file that services read without a -config flag.
const DefaultPath = "sluice.yaml"

// ExitStatus is the exit status of a program whose configuration has faults:
// EX_CONFIG of sysexits(3).
const ExitStatus = 78

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
			panic("config: Only: no top-level key " + key) //nolint:forbidigo // a registration mistake
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

// Preset changes the defaults, before anything is read: for a program that has its own.
func Preset(change func(*Config)) Option {
	return func(l *loader) { change(l.cfg) }
}

// Default returns the configuration of an empty file: complete except for the
// required fields, which are zero.
func Default() *Config {
	c := &Config{}
	setDefaults(reflect.ValueOf(c).Elem())
	c.Routes = defaultRoutes()
	c.Notify = defaultNotify()
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
	l := newLoader(name, env, opts)
	if err != nil { // what the file lacks cannot be told
		l.applyEnv()
		l.faultAtf(0, "", "%v", err)
		return l.result()
	}
	return l.load(data)
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
