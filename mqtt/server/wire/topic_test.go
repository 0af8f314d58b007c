package wire

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMatchFilter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, filter, topic string
		want                bool
	}{
		{"same", "a/b", "a/b", true},
		{"other", "a/b", "a/c", false},
		{"shorter filter", "a", "a/b", false},
		{"longer filter", "a/b", "a", false},
		{"prefix of a level", "a", "ab", false},
		{"case", "A", "a", false},
		{"[MQTT-4.7.3-4] nothing is normalised", "\u00e9", "e\u0301", false},
		{"[MQTT-4.7.1-1] # all", "#", "a/b", true},
		{"[MQTT-4.7.1-1] # below", "a/#", "a/b/c", true},
		{"[MQTT-4.7.1-1] # parent", "a/#", "a", true},
		{"[MQTT-4.7.1-1] # sibling", "a/#", "ab", false},
		{"[MQTT-4.7.1-1] # empty level", "a/#", "a/", true},
		{"[MQTT-4.7.1-2] + one level", "a/+/c", "a/b/c", true},
		{"[MQTT-4.7.1-2] + not two", "a/+", "a/b/c", false},
		{"[MQTT-4.7.1-2] + not none", "a/+", "a", false},
		{"[MQTT-4.7.1-2] + empty level", "a/+", "a/", true},
		{"[MQTT-4.7.1-2] + before the first slash", "+/b", "/b", true},
		{"[MQTT-4.7.1-2] + with slash", "+", "/a", false},
		{"[MQTT-4.7.1-2] +/+", "+/+", "/a", true},
		{"[MQTT-4.7.1-2] + then #", "+/#", "a", true},
		{"[MQTT-4.7.2-1] # and $", "#", "$SYS/a", false},
		{"[MQTT-4.7.2-1] + and $", "+/a", "$SYS/a", false},
		{"[MQTT-4.7.2-1] literal $", "$SYS/#", "$SYS/a", true},
		{"[MQTT-4.7.2-1] $ further down", "a/+", "a/$b", true},
		{"empty levels count", "a//b", "a/b", false},
		{"braces are no captures", "a/{x}", "a/b", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := MatchFilter(c.filter, c.topic); got != c.want {
				t.Errorf("MatchFilter(%q, %q) = %t", c.filter, c.topic, got)
			}
		})
	}
}

func TestCheckFilter(t *testing.T) {
	t.Parallel()
	for _, filter := range []string{
		"a", "/", "a//b", "+", "#", "+/+/#", "/+", "/#", "a b", "$SYS/#", "$share", "$shared/x", "{x}",
		"$share/g/a", "$share/g//", "$share/g/#", "$share/g/$share/h/a", strings.Repeat("x", maxString),
	} {
		if err := CheckFilter(V5, filter); err != nil {
			t.Errorf("%.40q: %v", filter, err)
		}
	}
	for _, c := range []struct{ name, filter string }{
		{"[MQTT-4.7.3-3] too long", strings.Repeat("x", maxString+1)},
		{"[MQTT-3.8.3-1] UTF-8", "a\xFF"},
		{"[MQTT-1.5.4-2] U+0000, [MQTT-4.7.3-2]", "a\x00"},
		{"[MQTT-4.7.1-1] not last", "#/a"},
		{"[MQTT-4.7.1-1] not whole", "a/b#"},
		{"[MQTT-4.7.1-1] twice", "##"},
		{"[MQTT-4.7.1-1] beside +", "+#"},
		{"[MQTT-4.7.1-2] not whole", "a/+b"},
		{"[MQTT-4.7.1-2] twice", "++"},
		{"[MQTT-4.8.2-1] nothing", "$share/"},
		{"[MQTT-4.8.2-1] no name", "$share//a"},
		{"[MQTT-4.8.2-2] + in the name", "$share/+/a"},
		{"[MQTT-4.8.2-2] # in the name", "$share/g#/a"},
		{"[MQTT-4.8.2-2] no filter", "$share/g"},
		{"[MQTT-4.8.2-2] empty filter", "$share/g/"},
		{"[MQTT-4.7.1-1] in a shared filter", "$share/g/#/a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkRefusal(t, c.name, CheckFilter(V5, c.filter), MalformedPacket)
		})
	}
}

func TestSplitShare(t *testing.T) {
	t.Parallel()
	if name, rest, shared := SplitShare("$share/g/a/+"); name != "g" || rest != "a/+" || !shared {
		t.Errorf("got %q, %q, %t", name, rest, shared)
	}
	if _, _, shared := SplitShare("a/$share/g"); shared {
		t.Error("a plain filter is taken for a shared one")
	}
}

func TestCheckTopic(t *testing.T) {
	t.Parallel()
	for _, topic := range []string{"a", "/", "a b", "$SYS", "é", "\uFEFF", "\U0010FFFF", "a\x01", strings.Repeat("é", 32767)} {
		if err := CheckTopic([]byte(topic)); err != nil {
			t.Errorf("%.40q: %v", topic, err)
		}
	}
	checkRefusal(t, "[MQTT-4.7.3-3]", CheckTopic(bytes.Repeat([]byte("x"), maxString+1)), MalformedPacket)
	checkRefusal(t, "[MQTT-4.7.3-1]", CheckTopic(nil), ProtocolError)
}

// Every byte at every place of topics around the width that isPlain reads.
func TestIsPlain_EveryByteEverywhere(t *testing.T) {
	t.Parallel()
	for size := 1; size <= 18; size++ {
		for at := range size {
			for c := range 256 {
				topic := bytes.Repeat([]byte("a"), size)
				topic[at] = byte(c)
				want := c != 0 && c != '+' && c != '#' && c < utf8.RuneSelf
				if got := isPlain(topic); got != want {
					t.Fatalf("isPlain(%q) = %t", topic, got)
				}
			}
		}
	}
}
