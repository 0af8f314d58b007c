package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// environment is the File of a fault that lies in a variable.
const environment = "environment"

// Fault is one thing that is wrong, in the user's words: where, what, and what
// to do.
type Fault struct {
	// File is the path as it was given, or "environment".
	File string `json:"file"`
	// Line counts from 1; 0 when the fault has no line.
	Line int `json:"line,omitempty"`
	// Path is the key, such as routes[1].batch.max, or the variable's name.
	Path string `json:"path,omitempty"`
	// Text never holds a secret.
	Text string `json:"text"`
}

// String returns `file:line: path: text` without the parts that are unknown.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	if f.Path != "" {
		b.WriteString(": " + f.Path)
	}
	return b.String() + ": " + f.Text
}

// Faults is the error of Load: every fault there is, those of the file in order
// of line, then those of the environment. It is never empty.
type Faults struct { //nolint:errname // it is a list of faults, and called so everywhere
	List []Fault `json:"faults"`
}

// Error returns one fault per line, without a newline at the end.
func (f *Faults) Error() string {
	lines := make([]string, len(f.List))
	for i, fault := range f.List {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// sort orders the list and drops repetitions.
func (f *Faults) sort() {
	slices.SortStableFunc(f.List, func(a, b Fault) int {
		return cmp.Or(
			compareBool(a.File == environment, b.File == environment),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Text, b.Text),
		)
	})
	f.List = slices.Compact(f.List)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
