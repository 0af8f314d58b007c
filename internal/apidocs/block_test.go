package apidocs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// block is a fenced block of docs/api.md.
type block struct {
	section  string // its heading
	language string
	code     string
	// wants are the texts behind `# ->`: parts of what it prints, in that order.
	wants []string
}

var fence = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

// section is a heading below the title; `# ` may be a comment in a block.
var section = regexp.MustCompile("(?m)^##+ ")

// blocks returns the blocks of text, each with the heading above it.
func blocks(text string) (all []block) {
	for _, part := range section.Split(text, -1) {
		heading, body, _ := strings.Cut(part, "\n")
		for _, m := range fence.FindAllStringSubmatch(body, -1) {
			all = append(all, block{heading, m[1], m[2], wants(m[2])})
		}
	}
	return all
}

func wants(code string) (all []string) {
	for line := range strings.Lines(code) {
		if want, ok := strings.CutPrefix(line, "# -> "); ok {
			all = append(all, strings.TrimSpace(want))
		}
	}
	return all
}

// missing returns the first want that out lacks behind those before it.
func (b block) missing(out string) string {
	for _, want := range b.wants {
		at := strings.Index(out, want)
		if at < 0 {
			return want
		}
		out = out[at+len(want):]
	}
	return ""
}

// docs returns the blocks of docs/api.md.
func docs(t testing.TB) []block {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, "docs/api.md"))
	must(t, err)
	return blocks(string(text))
}
