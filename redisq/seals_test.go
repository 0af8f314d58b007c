package redisq

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sluice"
)

// seals counts what a push of payloads seals, by the plain rule.
func seals(p sluice.Policy, count int, bytes int64, payloads []int64) (n int) {
	for _, size := range payloads {
		if count > 0 && ((p.MaxBytes > 0 && bytes+size > p.MaxBytes) || (p.Max > 0 && count >= p.Max)) {
			n, count, bytes = n+1, 0, 0
		}
		count, bytes = count+1, bytes+size
		if count == p.Max {
			n, count, bytes = n+1, 0, 0
		}
	}
	return n
}

func TestMostSeals_IsNeverExceeded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := sluice.Policy{Max: rapid.IntRange(-1, 9).Draw(t, "max"), MaxBytes: rapid.Int64Range(-1, 20).Draw(t, "max bytes")}.Resolve()
		payloads := rapid.SliceOfN(rapid.Int64Range(0, 30), 0, 40).Draw(t, "payloads")
		bytes := int64(0)
		for _, n := range payloads {
			bytes += n
		}
		n := seals(p, rapid.IntRange(0, 20).Draw(t, "open"), rapid.Int64Range(0, 60).Draw(t, "open bytes"), payloads)
		if most := mostSeals(p, len(payloads), bytes); n > most {
			t.Fatalf("%d seals, at most %d expected", n, most)
		}
	})
}

// Without the flag a script would be refused by a full Redis, and with it append
// would fill it to the last byte.
func TestScripts_AllowOOM_AppendExcepted(t *testing.T) {
	t.Parallel()
	files, err := sources.ReadDir("scripts")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name, _ := strings.CutSuffix(f.Name(), ".lua")
		if strings.HasPrefix(name, "lib_") {
			continue
		}
		text := source(name)
		first, _, _ := strings.Cut(text, "\n")
		if flagged := strings.HasPrefix(first, "#!lua flags=") && strings.Contains(first, "allow-oom"); flagged == (name == "append") {
			t.Errorf("%s begins with %q", f.Name(), first)
		}
		for _, words := range []string{"-- KEYS  1 ", "-- Returns ", "-- Atomic because "} {
			if !strings.Contains(text, words) {
				t.Errorf("%s: its header lacks %q", f.Name(), words)
			}
		}
	}
}

func TestCheckFrame_RefusesDamage(t *testing.T) {
	t.Parallel()
	var good sluice.Frame
	good.Append([]byte("t"), []byte("payload"), 1)
	good.Append([]byte("t"), nil, 1)
	if err := checkFrame(good); err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func(*sluice.Frame){
		"cut":       func(f *sluice.Frame) { f.Data = f.Data[:len(f.Data)-1] },
		"longer":    func(f *sluice.Frame) { f.Data = append(f.Data, 0) },
		"count":     func(f *sluice.Frame) { f.Count-- },
		"bytes":     func(f *sluice.Frame) { f.Bytes++ },
		"too many":  func(f *sluice.Frame) { f.Count++ },
		"no header": func(f *sluice.Frame) { f.Data = f.Data[:3] },
	} {
		f := good
		f.Data = append([]byte(nil), good.Data...)
		damage(&f)
		if checkFrame(f) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
