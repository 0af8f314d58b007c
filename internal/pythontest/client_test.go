package pythontest

import (
	"path/filepath"
	"strings"
	"testing"
)

// Each module of python/tests runs with servers of its own: what it stores and
// breaks is no other one's matter.
func TestClient(t *testing.T) {
	t.Parallel()
	modules, err := filepath.Glob("../../python/tests/test_*.py")
	must(t, err)
	if len(modules) < 7 {
		t.Fatalf("found %q, want the modules of the client", modules)
	}
	for _, path := range modules {
		name := strings.TrimSuffix(filepath.Base(path), ".py")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := python(t, newWorld(t).env(), "-W", "error::ResourceWarning", "-m", "unittest", "tests."+name)
			if err != nil || strings.Contains(out, "Ran 0 tests") || strings.Contains(out, "skipped") {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Log(out)
		})
	}
}
