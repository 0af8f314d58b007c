package server

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// numbered are how many statements each section of a standard has: the first and the
// last number of [MQTT-section-number].
type numbered map[string][2]int

// statements are those of Appendix B, by the heading in docs/mqtt.md. Two are written
// otherwise in the text of the standards: 4.2-1, 3-8.3-4.
var statements = map[string]numbered{
	"MQTT 5.0": {
		"1.5.4": {1, 3}, "1.5.5": {1, 1}, "1.5.7": {1, 1}, "2.1.3": {1, 1}, "2.2.1": {2, 6}, "2.2.2": {1, 1},
		"3.1.0": {1, 2}, "3.1.2": {1, 30}, "3.1.3": {1, 12}, "3.1.4": {1, 6}, "3.2.0": {1, 2}, "3.2.2": {1, 22},
		"3.3.1": {1, 13}, "3.3.2": {1, 20}, "3.3.4": {1, 10}, "3.4.2": {1, 3}, "3.5.2": {1, 3}, "3.6.1": {1, 1},
		"3.6.2": {1, 3}, "3.7.2": {1, 3}, "3.8.1": {1, 1}, "3.8.3": {1, 5}, "3.8.4": {1, 8}, "3.9.2": {1, 2},
		"3.9.3": {1, 2}, "3.10.1": {1, 1}, "3.10.3": {1, 2}, "3.10.4": {1, 6}, "3.11.2": {1, 2}, "3.11.3": {1, 2},
		"3.12.4": {1, 1}, "3.14.0": {1, 1}, "3.14.1": {1, 1}, "3.14.2": {1, 4}, "3.14.4": {1, 3}, "3.15.1": {1, 1},
		"3.15.2": {1, 3}, "4.1.0": {1, 2}, "4.2.0": {1, 1}, "4.3.1": {1, 1}, "4.3.2": {1, 5}, "4.3.3": {1, 13},
		"4.4.0": {1, 2}, "4.5.0": {1, 2}, "4.6.0": {1, 6}, "4.7.0": {1, 1}, "4.7.1": {1, 2}, "4.7.2": {1, 1},
		"4.7.3": {1, 4}, "4.8.2": {1, 6}, "4.9.0": {1, 3}, "4.12.0": {1, 7}, "4.12.1": {1, 2}, "4.13.1": {1, 1},
		"4.13.2": {1, 1}, "6.0.0": {1, 4},
	},
	"MQTT 3.1.1": {
		"1.5.3": {1, 3}, "2.2.2": {1, 2}, "2.3.1": {1, 7}, "3.1.0": {1, 2}, "3.1.2": {1, 24}, "3.1.3": {1, 11},
		"3.1.4": {1, 5}, "3.2.0": {1, 1}, "3.2.2": {1, 6}, "3.3.1": {1, 12}, "3.3.2": {1, 3}, "3.3.4": {1, 1},
		"3.3.5": {1, 2}, "3.6.1": {1, 1}, "3.8.1": {1, 1}, "3.8.3": {1, 4}, "3.8.4": {1, 6}, "3.9.3": {1, 2},
		"3.10.1": {1, 1}, "3.10.3": {1, 2}, "3.10.4": {1, 6}, "3.12.4": {1, 1}, "3.14.1": {1, 1}, "3.14.4": {1, 3},
		"4.1.0": {1, 2}, "4.3.1": {1, 1}, "4.3.2": {1, 2}, "4.3.3": {1, 2}, "4.4.0": {1, 1}, "4.5.0": {1, 2},
		"4.6.0": {1, 6}, "4.7.1": {1, 3}, "4.7.2": {1, 1}, "4.7.3": {1, 4}, "4.8.0": {1, 2}, "6.0.0": {1, 4},
		"7.0.0": {1, 2}, "7.1.1": {1, 1}, "7.1.2": {1, 1},
	},
}

// prefixes are what the numbers of a standard begin with in tests.
var prefixes = map[string]string{"MQTT 5.0": "MQTT-", "MQTT 3.1.1": "MQTT311-"}

func (n numbered) all() (all []string) {
	for section, span := range n {
		for i := span[0]; i <= span[1]; i++ {
			all = append(all, fmt.Sprintf("%s-%d", section, i))
		}
	}
	return all
}

// row is one of a table of docs/mqtt.md.
type row struct {
	numbers, tests []string
	verdict        string
}

var (
	numberPattern = regexp.MustCompile(`\b\d+\.\d+\.\d+-\d+\b`)
	testPattern   = regexp.MustCompile("`(Test\\w+(?:/[^`]+)?)`")
)

// conformance reads the rows below the heading of a standard, and the numbers of
// statements that are not a server's.
func conformance(t *testing.T, standard string) (rows []row, clients []string) {
	t.Helper()
	doc, err := os.ReadFile("../../docs/mqtt.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(doc), "\n### "+standard+"\n")
	section, _, _ = strings.Cut(section, "\n### ")
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		switch {
		case strings.HasPrefix(line, "The client's"):
			clients = numberPattern.FindAllString(line, -1)
		case len(cells) == 6 && numberPattern.MatchString(cells[1]):
			r := row{numbers: numberPattern.FindAllString(cells[1], -1), verdict: strings.TrimSpace(cells[3])}
			for _, m := range testPattern.FindAllStringSubmatch(cells[4], -1) {
				r.tests = append(r.tests, m[1])
			}
			rows = append(rows, r)
		case strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "| statement") && !strings.HasPrefix(line, "|---"):
			t.Errorf("not a row of four cells: %s", line)
		}
	}
	return rows, clients
}

// tested has the source of each test, with its comment and the functions of its file
// that it calls.
type tested map[string]string

// readTests finds the tests of the packages that docs/mqtt.md names.
func readTests(t *testing.T) tested {
	t.Helper()
	found := tested{}
	for _, pattern := range []string{"*_test.go", "wire/*_test.go", "access/*_test.go", "../../sluicetest/suite_*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || files == nil {
			t.Fatalf("no file %s: %v", pattern, err)
		}
		for _, file := range files {
			found.read(t, file)
		}
	}
	return found
}

func (found tested) read(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	functions := functionsOf(t, file, text)
	for name, source := range functions {
		if !strings.HasPrefix(name, "Test") {
			continue
		}
		for other, more := range functions {
			if strings.Contains(source, " "+other+"(") {
				found[name] += more
			}
		}
		found[name] += source
	}
	if strings.Contains(file, "suite_clients") { // the cases of TestClients, in tables
		found["TestClients"] += string(text)
	}
}

// functionsOf is the source of each function of a file.
func functionsOf(t *testing.T, file string, text []byte) map[string]string {
	t.Helper()
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{}
	for _, d := range parsed.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil {
			continue
		}
		begin := f.Pos()
		if f.Doc != nil {
			begin = f.Doc.Pos()
		}
		sources[f.Name.Name] = string(text[files.Position(begin).Offset:files.Position(f.End()).Offset])
	}
	return sources
}

// shows tells whether there is such a test. One for conformance has the statement, too.
func (found tested) shows(test, statement string) bool {
	name, part, _ := strings.Cut(test, "/")
	text, there := found[name]
	if !there || !strings.Contains(text, part) {
		return false
	}
	return !strings.HasPrefix(name, "TestConformance_") || regexp.MustCompile(regexp.QuoteMeta(statement)+`\b`).MatchString(text)
}

// Every statement of the standards has a row with a verdict, and the tests that it
// names exist.
func TestDoc_ConformanceIsComplete(t *testing.T) {
	t.Parallel()
	tests := readTests(t)
	for standard, sections := range statements {
		rows, listed := conformance(t, standard)
		for _, r := range rows {
			r.check(t, tests, prefixes[standard])
			listed = append(listed, r.numbers...)
		}
		want := sections.all()
		slices.Sort(want)
		slices.Sort(listed)
		for _, number := range want {
			if n := count(listed, number); n != 1 {
				t.Errorf("%s: %s is listed %d times, want once", standard, number, n)
			}
		}
		if len(listed) != len(want) {
			t.Errorf("%s: %d statements are listed, it has %d", standard, len(listed), len(want))
		}
	}
}

func (r row) check(t *testing.T, tests tested, prefix string) {
	t.Helper()
	if !slices.Contains([]string{"met", "different", "not applicable"}, r.verdict) {
		t.Errorf("%v: verdict %q", r.numbers, r.verdict)
	}
	if r.verdict == "met" && len(r.tests) == 0 {
		t.Errorf("%v: met, and no test", r.numbers)
	}
	for _, number := range r.numbers {
		if !slices.ContainsFunc(r.tests, func(test string) bool { return tests.shows(test, prefix+number) }) && r.verdict == "met" {
			t.Errorf("no test of %v is there and has %s", r.tests, prefix+number)
		}
	}
	for _, test := range r.tests {
		if name, part, _ := strings.Cut(test, "/"); tests[name] == "" || !strings.Contains(tests[name], part) {
			t.Errorf("%v: there is no test %s", r.numbers, test)
		}
	}
}

func count(all []string, one string) (n int) {
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}
