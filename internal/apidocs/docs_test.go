package apidocs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/reflect/protoreflect"

	"sluice/gen/service"
	"sluice/gen/sluicev1"
)

// Every sh and python block of docs/api.md ends well and prints what it says.
func TestDocs_EveryBlockRuns(t *testing.T) {
	all := docs(t)
	w := newWorld(t, loginOf(t, all))
	plain, secure := w.start(""), w.start(w.tls())
	here := strings.NewReplacer(
		"127.0.0.1:3000", plain.grpc, "127.0.0.1:3001", plain.http, "api.example:3000", secure.grpc, "api.example:3001", secure.http)
	sh := newShell(t, w.certs)
	ran := 0
	for i, b := range all {
		argv := b.command(here)
		if argv == nil {
			continue
		}
		ran++
		t.Run(fmt.Sprintf("%02d %s %s", i, b.section, b.language), func(t *testing.T) {
			out, err := sh.run(t.Context(), argv...)
			if want := b.missing(out); err != nil || want != "" || len(b.wants) == 0 {
				t.Errorf("got %v, want %q printed, of %q:\n%s\n%s", err, want, b.wants, b.code, out)
			}
		})
	}
	if ran < 27 { // three for each method
		t.Errorf("ran %d blocks", ran)
	}
}

// command returns what runs a block, nil for one that is not to be run. No
// pipefail: `head` may end what is before it.
func (b block) command(here *strings.Replacer) []string {
	switch b.language {
	case "sh":
		return []string{"bash", "-eu", "-c", here.Replace(b.code)}
	case "python":
		return []string{"python3", "-c", here.Replace(b.code)}
	}
	return nil
}

// loginOf returns the docs' way to make the login that an api reads with: all
// blocks then run with it.
func loginOf(t testing.TB, all []block) string {
	t.Helper()
	for _, b := range all {
		if b.language == "sql" && strings.Contains(b.code, "CREATE ROLE api") {
			return b.code
		}
	}
	t.Fatal("docs/api.md has no sql block that makes the role api")
	return ""
}

// The methods are those of the contracts, so that a new one is not forgotten.
func TestDocs_EveryMethodHasALineForEachTool(t *testing.T) {
	t.Parallel()
	all := docs(t)
	for _, file := range []protoreflect.FileDescriptor{
		sluicev1.File_api_proto, service.File_service_proto, grpc_health_v1.File_grpc_health_v1_health_proto,
	} {
		for name := range methods(file) {
			for _, tool := range lacking(all, name) {
				t.Errorf("docs/api.md has no %s line for %s, in a section with %s in its heading", tool, name, name.Name())
			}
		}
	}
}

// notShown are methods of the standard health service that do without.
var notShown = []protoreflect.FullName{"grpc.health.v1.Health.List", "grpc.health.v1.Health.Watch"}

// methods yields the methods of the services of a file.
func methods(file protoreflect.FileDescriptor) func(yield func(protoreflect.FullName) bool) {
	return func(yield func(protoreflect.FullName) bool) {
		for i := range file.Services().Len() {
			all := file.Services().Get(i).Methods()
			for j := range all.Len() {
				if name := all.Get(j).FullName(); !slices.Contains(notShown, name) && !yield(name) {
					return
				}
			}
		}
	}
}

var (
	curlLine   = regexp.MustCompile(`(?m)(^|\| )curl `)
	clientLine = regexp.MustCompile(`(?m)^sluice-rows |^from sluice_client import |^import grpc$`)
)

// lacking returns the tools that no block of a method's section calls.
func lacking(all []block, name protoreflect.FullName) (tools []string) {
	grpcurlLine := regexp.MustCompile(`grpcurl [^|]*` + regexp.QuoteMeta(string(name.Parent())+"/"+string(name.Name())) + `\b`)
	for tool, line := range map[string]*regexp.Regexp{"grpcurl": grpcurlLine, "curl": curlLine, "Python": clientLine} {
		if !shows(all, name, line) {
			tools = append(tools, tool)
		}
	}
	return tools
}

func shows(all []block, name protoreflect.FullName, line *regexp.Regexp) bool {
	return slices.ContainsFunc(all, func(b block) bool {
		return strings.Contains(b.section, string(name.Name())) && line.MatchString(b.code)
	})
}

func TestBlocks(t *testing.T) {
	t.Parallel()
	const text = "# T\n## A\n```sh\na\n# -> one\n# no\n# -> two\n```\ntext\n### B\n```python\nb\n```\n"
	all := blocks(text)
	if len(all) != 2 || all[0].section != "A" || all[1].section != "B" || all[1].language != "python" || all[1].code != "b\n" {
		t.Fatalf("got %+v", all)
	}
	for out, want := range map[string]string{"one two": "", "two one": "two", "": "one", "one": "two"} {
		if got := all[0].missing(out); got != want {
			t.Errorf("%q: got %q missing, want %q", out, got, want)
		}
	}
	if got := lacking(all, "x.S.A"); len(got) != 3 {
		t.Errorf("got %v lacking, want all", got)
	}
}
