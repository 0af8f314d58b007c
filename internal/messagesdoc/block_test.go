package messagesdoc

import (
	"regexp"
	"strings"
	"testing"
)

// block is a fenced block of docs/messages.md.
type block struct {
	section string // its heading
	info    string // behind the fence: sh, or sh mqttx
	code    string
	wants   []string // behind `# ->`: parts of what it prints, in that order
}

var (
	fence   = regexp.MustCompile("(?ms)^```([^\n]+)\n(.*?)^```$")
	heading = regexp.MustCompile("(?m)^##+ ")
	topicOf = regexp.MustCompile(` -t '?([^' ]+)`)
)

// docs returns the blocks of docs/messages.md.
func docs(t testing.TB) []block {
	t.Helper()
	all := blocks(read(t, "docs/messages.md"))
	if len(all) < 20 {
		t.Fatalf("docs/messages.md has %d blocks", len(all))
	}
	return all
}

// blocks returns those of text, each with the heading above it.
func blocks(text string) (all []block) {
	for _, part := range heading.Split(text, -1) {
		section, body, _ := strings.Cut(part, "\n")
		for _, m := range fence.FindAllStringSubmatch(body, -1) {
			b := block{section: section, info: m[1], code: m[2]}
			for line := range strings.Lines(b.code) {
				if want, ok := strings.CutPrefix(line, "# -> "); ok {
					b.wants = append(b.wants, strings.TrimSpace(want))
				}
			}
			all = append(all, b)
		}
	}
	return all
}

// background tells whether the block runs while the next one does.
func (b block) background() bool { return strings.HasPrefix(b.code, "# second terminal\n") }

// asks tells whether the block asks the database, which may not know it yet.
func (b block) asks() bool { return strings.HasPrefix(b.code, "psql ") }

// filter is the first topic that the block names.
func (b block) filter() string {
	if m := topicOf.FindStringSubmatch(b.code); m != nil {
		return m[1]
	}
	return ""
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

func TestBlocks(t *testing.T) {
	t.Parallel()
	all := blocks("# T\n## A\n```sh\n# second terminal\nx -q 1 -t 'a/#'\n# -> one\n# -> two\n```\n### B\n```sh mqttx\npsql\n```\n")
	if len(all) != 2 || all[0].section != "A" || all[1].section != "B" || all[1].info != "sh mqttx" {
		t.Fatalf("got %+v", all)
	}
	if !all[0].background() || all[1].background() || all[0].filter() != "a/#" || all[1].filter() != "" {
		t.Errorf("got %+v", all)
	}
	for out, want := range map[string]string{"one two": "", "two one": "two", "": "one", "one": "two"} {
		if got := all[0].missing(out); got != want {
			t.Errorf("%q: got %q missing, want %q", out, got, want)
		}
	}
}
