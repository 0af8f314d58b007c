package config

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Show writes the effective configuration as YAML that Load reads again, with
// every default in its place. Secrets are redacted; keys whose value is none
// are left out, and of a batch policy what is left to the handler.
func (c *Config) Show(w io.Writer) error {
	out, err := yaml.Dump(structNode(reflect.ValueOf(c).Elem()), yaml.WithLineWidth(-1))
	if err != nil {
		return fmt.Errorf("show the configuration: %w", err)
	}
	_, err = w.Write(out)
	return err
}

// structNode returns the struct as a mapping, in order of its fields.
func structNode(v reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, f := range fieldsOf(v.Type()) {
		fv := v.FieldByIndex(f.index)
		if f.fromFile {
			continue
		}
		if value := fieldNode(f, fv); value != nil {
			n.Content = append(n.Content, textNode(f.key), value)
		}
	}
	return n
}

// fieldNode returns the value of a field, nil when there is nothing to show.
func fieldNode(f field, v reflect.Value) *yaml.Node {
	switch {
	case !f.leaf():
		if n := structNode(v); len(n.Content) > 0 {
			return n
		}
		return nil
	case v.Kind() == reflect.Slice && v.IsNil():
		return nil
	case v.Kind() == reflect.Slice:
		return listNode(f, v)
	case v.IsZero() && !f.has("address") && f.tag.Get("default") == "":
		return nil
	}
	text := format(f, v)
	n := textNode(text)
	if (v.Kind() == reflect.Int || v.Kind() == reflect.Int64) && strings.Trim(text, "0123456789") == "" {
		n.Tag = "!!int"
	}
	if v.Kind() == reflect.Bool {
		n.Tag = "!!bool"
	}
	return n
}

func listNode(f field, v reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	for i := range v.Len() {
		if f.list() {
			n.Content = append(n.Content, structNode(v.Index(i)))
		} else {
			n.Content = append(n.Content, textNode(v.Index(i).String()))
		}
	}
	return n
}

func textNode(s string) *yaml.Node {
	// A plain ${ would be taken for a variable when it is read again.
	s = strings.ReplaceAll(s, "${", "$${")
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}

// format writes a value as the file would.
func format(f field, v reflect.Value) string {
	if v.CanInt() && v.Int() < 0 && f.has("never") {
		return "never"
	}
	switch x := v.Interface().(type) {
	case time.Duration:
		return formatDuration(x)
	case int64:
		return formatSize(x)
	case string:
		if x == "" && f.has("address") {
			return "off"
		}
		return x
	default: // int, bool, Secret, URL
		return fmt.Sprint(x)
	}
}

// formatSize writes bytes in the largest unit that leaves an integer.
func formatSize(n int64) string {
	for _, u := range units {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// formatDuration is Duration.String without the zeros at its end: 168h, not
// 168h0m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
