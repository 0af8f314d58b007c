package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Field describes one key of the file, for lists and documentation.
type Field struct {
	// Key is the path in the file, such as clock.interval; of a list's element
	// routes[].sink.
	Key string `json:"key"`
	// Env is the variable that overrides it; empty for keys inside a list.
	Env string `json:"env,omitempty"`
	// Kind is how the value is written: text, integer, size, duration, true or
	// false, URL, secret, path, address, topics, names.
	Kind string `json:"kind"`
	// Default is the value without the key, as the file would write it; empty when
	// there is none.
	Default string `json:"default,omitempty"`
	// Required tells that there is no default and no way without.
	Required bool `json:"required,omitempty"`
}

// Fields lists every key in the order of Config.
func Fields() []Field {
	var out []Field
	listFields(reflect.TypeFor[Config](), "", &out)
	return out
}

func listFields(t reflect.Type, prefix string, out *[]Field) {
	for _, f := range fieldsOf(t) {
		path := join(prefix, f.key)
		switch {
		case f.typ.Kind() == reflect.Struct && !f.leaf():
			listFields(f.typ, path, out)
		case f.list():
			listFields(f.typ.Elem(), path+"[]", out)
		default:
			env := envName(path)
			if strings.Contains(path, "[]") {
				env = ""
			}
			*out = append(*out, Field{path, env, f.kind(), f.tag.Get("default"), f.has("required") && !f.fromFile})
		}
	}
}

// field is one key of a struct of Config.
type field struct {
	key      string
	index    []int // for reflect.Value.FieldByIndex
	typ      reflect.Type
	tag      reflect.StructTag
	is       []string
	fromFile bool // the key <key>_file: the value is the content of that file
}

// fieldsOf lists the keys of a struct, those of embedded structs in their place.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for s := range t.Fields() {
		if s.Anonymous {
			for _, f := range fieldsOf(s.Type) {
				f.index = append(slices.Clone(s.Index), f.index...)
				out = append(out, f)
			}
			continue
		}
		key := s.Tag.Get("key")
		if key == "" {
			continue
		}
		f := field{key: key, index: s.Index, typ: s.Type, tag: s.Tag, is: strings.Split(s.Tag.Get("is"), ",")}
		out = append(out, f)
		if f.secret() {
			f.key, f.fromFile = key+"_file", true
			out = append(out, f)
		}
	}
	return out
}

// has tells whether word is in the field's `is` tag.
func (f field) has(word string) bool { return slices.Contains(f.is, word) }

// secret tells whether the value must never appear in a message.
func (f field) secret() bool {
	return f.typ == reflect.TypeFor[Secret]() || f.typ == reflect.TypeFor[URL]()
}

// leaf tells whether the field is written as one value.
func (f field) leaf() bool { return f.typ.Kind() != reflect.Struct || f.secret() }

// list tells whether the field is a list of structs.
func (f field) list() bool {
	return f.typ.Kind() == reflect.Slice && f.typ.Elem().Kind() == reflect.Struct
}

// kind names the field's manner of writing.
func (f field) kind() string {
	switch {
	case f.fromFile || f.has("file") || f.has("path"):
		return "path"
	case f.typ == reflect.TypeFor[Secret]():
		return "secret"
	case f.typ == reflect.TypeFor[URL]():
		return "URL"
	case f.typ == reflect.TypeFor[time.Duration]():
		return "duration"
	case f.has("size"):
		return "size"
	case f.has("address"):
		return "address"
	case f.has("names"):
		return "names"
	}
	switch f.typ.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Slice:
		return "topics"
	case reflect.String:
		return "text"
	}
	panic(fmt.Sprintf("config: key %s has no kind", f.key)) //nolint:forbidigo // a mistake in this package
}

// walk calls visit for every leaf below the struct v that is not inside a list;
// the *_file keys come right after their own, with the same value.
func walk(v reflect.Value, prefix string, visit func(path string, f field, v reflect.Value)) {
	for _, f := range fieldsOf(v.Type()) {
		path, fv := join(prefix, f.key), v.FieldByIndex(f.index)
		switch {
		case f.list():
		case f.leaf():
			visit(path, f, fv)
		default:
			walk(fv, path, visit)
		}
	}
}

// setDefaults fills the struct v with the defaults of its tags. A default that
// does not parse is a mistake in this package and panics.
func setDefaults(v reflect.Value) {
	walk(v, "", func(path string, f field, v reflect.Value) {
		text, ok := f.tag.Lookup("default")
		if !ok || f.fromFile {
			return
		}
		if err := parse(v, f, text); err != nil {
			panic(fmt.Sprintf("config: default of %s: %v", path, err)) //nolint:forbidigo // a mistake in this package
		}
	})
}

// join appends a key to a path.
func join(prefix, key string) string {
	if prefix == "" {
		return key
	}
	return prefix + "." + key
}

// envName returns the variable that overrides a path.
func envName(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}
