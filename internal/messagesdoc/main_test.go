package messagesdoc

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// top is the repository, as seen from this package.
const top = "../.."

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(top + "/" + path)
	must(t, err)
	return string(text)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
