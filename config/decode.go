package config

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"

	"sluice"
)

// Decoding follows the structs, never the document, so its depth is bounded
// whatever aliases the document holds.

// decodeStruct reads a mapping into the struct v. A section without content
// keeps its defaults.
func (l *loader) decodeStruct(n *yaml.Node, v reflect.Value, path string) {
	n = target(n)
	switch {
	case isNull(n):
		return
	case n.Kind != yaml.MappingNode:
		l.faultAtf(n.Line, path, "is %s; keys and values are wanted here, like %s: ...", describe(n), fieldsOf(v.Type())[0].key)
		return
	}
	fields := fieldsOf(v.Type())
	first := map[string]int{} // key -> its line
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := target(n.Content[i]), n.Content[i+1]
		f, ok := l.keyField(n.Content[i].Line, key, fields, path, first)
		if ok && l.reads(join(path, f.key)) {
			l.decodeField(value, n.Content[i].Line, f, v.FieldByIndex(f.index), join(path, f.key))
		}
	}
}

// keyField returns the field that a key names, and records the fault when there
// is none or the key was there before.
func (l *loader) keyField(line int, key *yaml.Node, fields []field, path string, first map[string]int) (field, bool) {
	if key.Kind != yaml.ScalarNode {
		l.faultAtf(line, path, "%s stands where a key is wanted", describe(key))
		return field{}, false
	}
	if at, again := first[key.Value]; again {
		l.faultAtf(line, join(path, shownKey(key.Value)), "is given twice, first on line %d; keep one", at)
		return field{}, false
	}
	first[key.Value] = line
	for _, f := range fields {
		if f.key == key.Value {
			return f, true
		}
	}
	advice := suggest(key.Value, keysOf(fields))
	switch {
	case key.Tag == "!!merge":
		advice = "merging is not supported; write the keys out"
	case strings.Contains(key.Value, ":"):
		advice = "a space is wanted after the colon"
	}
	l.faultAtf(line, join(path, shownKey(key.Value)), "unknown key; %s", advice)
	return field{}, false
}

// decodeField reads the value of one key; line is the key's.
func (l *loader) decodeField(n *yaml.Node, line int, f field, v reflect.Value, path string) {
	n = target(n)
	if f.leaf() && (l.overridden(path, f) || l.twice(f, path, line)) {
		return
	}
	o := origin{key: path, line: n.Line}
	switch {
	case !f.leaf():
		l.origins[path] = origin{key: path, line: line}
		l.decodeStruct(n, v, path)
	case f.list():
		l.decodeList(n, v, path)
	case f.typ.Kind() == reflect.Slice:
		l.decodeTexts(n, v, path)
	default:
		if text, ok := l.scalar(n, path, o); ok {
			l.put(path, f, v, text, o)
		}
	}
}

// twice records the fault of a value that is given by its key and by its file.
func (l *loader) twice(f field, path string, line int) bool {
	other := path + "_file"
	if f.fromFile {
		other = path[:len(path)-len("_file")]
	}
	if !f.secret() || !l.given(other) {
		return false
	}
	l.faultAtf(line, path, "%s is given too, on line %d; keep one", other, l.origins[other].line)
	return true
}

// decodeList reads a list of mappings and replaces the default list.
func (l *loader) decodeList(n *yaml.Node, v reflect.Value, path string) {
	l.origins[path] = origin{key: path, line: n.Line}
	switch {
	case isNull(n):
		l.faultAtf(n.Line, path, "has no value; give a list or remove the key")
		return
	case n.Kind != yaml.SequenceNode:
		l.faultAtf(n.Line, path, "is %s; a list is wanted here", describe(n))
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		l.origins[at] = origin{key: at, line: item.Line}
		setDefaults(list.Index(i))
		if isNull(target(item)) {
			l.faultAtf(item.Line, at, "is empty; remove it or fill it in")
			continue
		}
		l.decodeStruct(item, list.Index(i), at)
	}
	v.Set(list)
}

// decodeTexts reads one text or a list of texts.
func (l *loader) decodeTexts(n *yaml.Node, v reflect.Value, path string) {
	l.origins[path] = origin{key: path, line: n.Line}
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	texts := make([]string, len(items))
	for i, item := range items {
		at := path
		if n.Kind == yaml.SequenceNode {
			at = fmt.Sprintf("%s[%d]", path, i)
		}
		item = target(item)
		o := origin{key: at, line: item.Line}
		if text, ok := l.scalar(item, at, o); ok {
			l.put(at, field{key: path, typ: reflect.TypeFor[string]()}, reflect.ValueOf(&texts[i]).Elem(), text, o)
		}
	}
	v.Set(reflect.ValueOf(texts))
}

// scalar returns the text of a single value, or records why it is none.
func (l *loader) scalar(n *yaml.Node, path string, o origin) (text string, ok bool) {
	l.origins[path] = o
	switch {
	case isNull(n):
		l.faultf(path, "has no value; give one or remove the key")
	case n.Kind != yaml.ScalarNode:
		l.faultf(path, "is %s; a single value is wanted here", describe(n))
	default:
		return n.Value, true
	}
	return "", false
}

// target follows an alias to what it stands for.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// describe names the shape of a node in words; never its text.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping of keys"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}

// shownKey is a key as a fault shows it: as it is when it looks like one, and
// without what follows a colon, which is a value and may be a secret.
func shownKey(key string) string {
	key, _, _ = strings.Cut(key, ":")
	if sluice.ValidName(key) {
		return key
	}
	return quote(key)
}

func keysOf(fields []field) []string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return keys
}
