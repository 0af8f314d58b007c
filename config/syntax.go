package config

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"
)

// parseYAML returns the node of the top-level mapping, nil when there is none.
// whole is false when the text is not YAML: what it lacks is then unknown.
func (l *loader) parseYAML(data []byte) (root *yaml.Node, whole bool) {
	var docs []*yaml.Node
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	for err == nil && len(docs) < 2 {
		var doc yaml.Node
		if err = loader.Load(&doc); err == nil {
			docs = append(docs, &doc)
		}
	}
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		l.syntaxFault(err, data)
		return nil, false
	case len(docs) == 0 || len(docs[0].Content) == 0:
		return nil, true
	case len(docs) > 1:
		l.faultAtf(docs[1].Line, "", "a second document begins here; use one document, without ---")
	}
	return docs[0].Content[0], true
}

// syntaxFault records what the YAML parser said, with the usual cause where the
// line shows one. It never repeats text of the file, which may be a secret.
func (l *loader) syntaxFault(err error, data []byte) {
	line, message := 0, "cannot be read"
	if le, ok := errors.AsType[*yaml.LoadError](err); ok {
		line, message = le.Mark.Line, le.Message
	}
	text := lineOf(data, line)
	switch {
	case strings.Contains(message, "anchor"):
		message = "an alias without its anchor; quote a value that begins with * or &"
	case strings.Contains(message, "tag"):
		message = "a tag that YAML does not know; quote a value that begins with !"
	case strings.HasPrefix(strings.TrimLeft(text, " "), "\t"):
		message = "a line begins with a tab; use spaces"
	case strings.Contains(text, "${") && strings.Contains(message, "flow") || strings.Contains(message, "expected ','"):
		message += "; quote values with ${...} or , inside { } and [ ]"
	case strings.Contains(message, "mapping values are not allowed"):
		message += "; quote a value that contains a colon and a space"
	}
	l.faultAtf(line, "", "not valid YAML: %s", message)
}

// lineOf returns a line of the file, counted from 1; "" for one that is not there.
func lineOf(data []byte, line int) string {
	lines := strings.Split(string(data), "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	return lines[line-1]
}
