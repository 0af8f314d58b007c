package layout_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// module is the import path of the root package.
const module = "sluice"

// role is what a package may import of this module. Tests may import anything:
// the compiler forbids cycles.
type role int

const (
	unknown   role = iota
	root           // nothing, and of other modules nothing either
	leaf           // nothing: contracts, generated code and data
	shared         // the root, leaves and its like: what several adapters are made of
	adapter        // the root, leaves, what is shared, and packages above or below its own
	assembler      // anything
)

// roles gives the role of a folder and all below it; the longest match counts.
var roles = map[string]role{
	".":      root,
	"gen":    leaf,
	"deploy": leaf,

	"mqtt":       adapter,
	"redisq":     adapter,
	"liteq":      adapter,
	"presence":   adapter,
	"notify":     adapter,
	"api":        adapter,
	"web":        adapter,
	"clock":      adapter,
	"device":     adapter,
	"config":     adapter,
	"certs":      adapter,
	"users":      adapter,
	"sluicetest": adapter, // the test kit knows interfaces, not what fulfils them

	"app":      assembler,
	"cmd":      assembler,
	"examples": assembler,
	"bench":    assembler,
	"internal": assembler, // testenv, demo, bench and the like

	"internal/roster":   shared,
	"internal/litefile": shared,
	"internal/reread":   shared,
	"internal/safefile": shared,

	"mqtt/server/access": shared, // the files that users writes and the front door reads

	"store":           shared, // what api asks of the stores, and what these have in common
	"store/postgres":  adapter,
	"store/sqlite":    adapter,
	"store/storetest": adapter, // the conformance suite of the two
}

// source is one parsed Go file that is no test.
type source struct {
	dir  string // of its package, relative to the root, with slashes
	file *ast.File
	pos  func(ast.Node) token.Position
}

func TestImports_FollowTheDirection(t *testing.T) {
	for _, src := range sources(t) {
		for _, spec := range src.file.Imports {
			to, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if why := forbidden(src.dir, to); why != "" {
				t.Errorf("%v: %s imports %s: %s", src.pos(spec), src.dir, to, why)
			}
		}
	}
}

func TestForbidden(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{".", "context", false},
		{".", "sluice/redisq", true},
		{".", "github.com/redis/rueidis", true},
		{"redisq", "sluice", false},
		{"redisq", "github.com/redis/rueidis", false},
		{"redisq", "sluice/mqtt", true},
		{"redisq", "sluice/app", true},
		{"redisq", "sluice/internal/testenv", true},
		{"store/postgres", "sluice/gen/msg", false},
		{"store/postgres", "sluice/store", false},
		{"store/postgres", "sluice/store/sqlite", true},
		{"store", "sluice/store/postgres", true},
		{"api", "sluice/store", false},
		{"api", "sluice/store/postgres", true},
		{"store/storetest", "sluice/store/sqlite", true},
		{"notify", "sluice/notify/webhook", false},
		{"gen/msg", "sluice", true},
		{"liteq", "sluice/internal/roster", false},
		{"liteq", "sluice/internal/testenv", true},
		{"liteq", "sluice/store/sqlite", true},
		{"liteq", "sluice/redisq", true},
		{"store/sqlite", "sluice/internal/litefile", false},
		{"store/sqlite", "sluice/liteq", true},
		{"internal/roster", "sluice/gen/sluicev1", false},
		{"internal/roster", "sluice/sluicetest", true},
		{"internal/litefile", "sluice/liteq", true},
		{"users", "sluice/mqtt/server/access", false},
		{"users", "sluice/mqtt/server", true},
		{"mqtt/server", "sluice/mqtt/server/access", false},
		{"mqtt/server/access", "sluice/mqtt/server", true},
		{"certs", "sluice/internal/safefile", false},
		{"redisq", "sluice/internal/litefile", false},
		{"app", "sluice/redisq", false},
		{"cmd/sluice", "sluice/app", false},
		{"novelty", "sluice", true},
	} {
		if got := forbidden(c.from, c.to) != ""; got != c.want {
			t.Errorf("%s imports %s: forbidden is %t, want %t", c.from, c.to, got, c.want)
		}
	}
}

// forbidden says why the package in folder from may not import to; "" if it may.
func forbidden(from, to string) string {
	from = path.Clean(from)
	mine := roleOf(from)
	inner, ours := strings.CutPrefix(to+"/", module+"/")
	inner = path.Clean(inner)
	switch {
	case mine == unknown:
		return "the folder has no role yet; give it one in layout_test.go"
	case mine == root && (ours || !standard(to)):
		return "the root package imports the standard library only"
	case !ours || mine == assembler:
		return ""
	case mine == leaf:
		return "contracts, generated code and data import nothing of ours"
	}
	switch to := roleOf(inner); {
	case to == root, to == leaf, to == shared:
		return ""
	case mine == adapter && to == adapter:
		if above(from, inner) || above(inner, from) {
			return ""
		}
		return "adapters never import each other; app brings them together"
	case to == adapter:
		return "what adapters share does not know them"
	default:
		return "only app, cmd and internal packages import what assembles"
	}
}

func roleOf(dir string) role {
	for d := dir; d != "."; d = path.Dir(d) {
		if r, ok := roles[d]; ok {
			return r
		}
	}
	if dir == "." {
		return roles["."]
	}
	return unknown
}

// above reports whether folder a is b or contains it.
func above(a, b string) bool { return strings.HasPrefix(b+"/", a+"/") }

// standard reports whether an import path is the standard library's: its first
// element has no dot.
func standard(to string) bool {
	first, _, _ := strings.Cut(to, "/")
	return !strings.Contains(first, ".")
}

func TestNoInitFunctions(t *testing.T) {
	for _, src := range sources(t) {
		for _, decl := range src.file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%v: func init: registration is a call in a main", src.pos(f))
			}
		}
	}
}

// A package-level variable without a value waits to be set by somebody.
func TestNoPackageLevelStateToBeSet(t *testing.T) {
	for _, src := range sources(t) {
		for _, decl := range src.file.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok || d.Tok != token.VAR || embedded(d) {
				continue
			}
			for _, spec := range d.Specs {
				v := spec.(*ast.ValueSpec)
				if len(v.Values) == 0 {
					t.Errorf("%v: var %s has no value: pass state in, keep it in a struct", src.pos(v), v.Names[0])
				}
			}
		}
	}
}

// embedded reports whether the declaration is filled by the compiler.
func embedded(d *ast.GenDecl) bool {
	if d.Doc == nil {
		return false
	}
	for _, c := range d.Doc.List {
		if strings.HasPrefix(c.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

// sources parses every Go file of the module that is neither test nor generated.
func sources(t *testing.T) []source {
	t.Helper()
	top := filepath.Join("..", "..")
	if _, err := os.Stat(filepath.Join(top, "go.mod")); err != nil {
		t.Fatalf("the repository's root is not where it was: %v", err)
	}
	var all []source
	set := token.NewFileSet()
	err := filepath.WalkDir(top, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skipDir(top, name)
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if ast.IsGenerated(file) {
			return nil
		}
		dir, err := filepath.Rel(top, filepath.Dir(name))
		if err != nil {
			return err
		}
		all = append(all, source{
			dir:  filepath.ToSlash(dir),
			file: file,
			pos:  func(n ast.Node) token.Position { return set.Position(n.Pos()) },
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no Go files found")
	}
	return all
}

// skipDir keeps out of hidden folders, test data and nested modules.
func skipDir(top, name string) error {
	base := filepath.Base(name)
	if name == top {
		return nil
	}
	if strings.HasPrefix(base, ".") || base == "testdata" {
		return filepath.SkipDir
	}
	if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
		return filepath.SkipDir
	}
	return nil
}
