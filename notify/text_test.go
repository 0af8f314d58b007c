package notify

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice"
)

func TestText_Golden(t *testing.T) {
	t.Parallel()
	storm := append(outages(41, 0.8), outage("dev-42", 0.8, cause(silent)))
	flapStorm := append(outages(12, 0.2, alive(20)), outages(30, 0.5, flapBegan)[12:]...)
	var many []*event
	for i := range 260 {
		many = append(many, recovery(fmt.Sprintf("dev-%d", i), -float64(i), 1))
	}
	for name, events := range map[string][]*event{
		"down": {outage("dev-1", 0), outage("dev-2", 3, cause(silent), func(e *event) { e.LostAt = sec(-90000) })},
		"all": {
			restarted(5, 1), outage("dev-1", 0, cause(grace)), outage("dev-2", 1), recovery("dev-2", 1, 124),
			recovery("dev-5", -3723, 124), outage("dev-3", 7, flapBegan), steadied("dev-6", up), steadied("dev-7", down), steadied("dev-8", suspect),
		},
		"back":         {recovery("dev-5", -123, 0)},
		"back_at_once": {recovery("dev-5", 9, 0)},
		"flaps":        {outage("dev-3", 7, flapBegan)},
		"meanwhile":    {outage("dev-1", 0), recovery("dev-1", 0, 0.4)},
		"restart":      {restarted(5, 1)},
		"storm":        storm,
		"storm_back":   append(append(outages(20, 12.4, alive(30)), recovery("dev-1", 0, 13), recovery("dev-99", -99, 14)), restarted(15, 14)),
		"storm_flaps":  flapStorm,
		"many":         many,
		"names":        {outage("", 1), outage("a b\n[x]; DROP\x1b[31m", 2), outage("ünicode", 3), outage(strings.Repeat("long", 30), 4)},
		"unknown":      {{Kind: 2}, {Kind: 3}, {Kind: 4}, {Kind: 5}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, name, compose(events...).Text())
		})
	}
}

func TestText_WithoutGraceSaysNoTime(t *testing.T) {
	t.Parallel()
	got := Compose(Config{Facility: "plant-1"}, id, []*event{restarted(5, 1)}).Text()
	if want := "plant-1: the broker was restarted\nthe broker was restarted at 2025-01-01 12:00:01Z"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestText_ListsAtMost200Devices(t *testing.T) {
	t.Parallel()
	for name, events := range map[string][]*event{
		"outages": outages(450, 1, alive(5000)),
		"storm":   outages(450, 1, alive(450)),
	} {
		text := compose(events...).Text()
		if n := strings.Count(text, "\n"); n > 201 {
			t.Errorf("%s: %d lines", name, n)
		}
		if last := text[strings.LastIndexByte(text, '\n')+1:]; name == "outages" && last != "and 250 more" {
			t.Errorf("%s: the last line is %q", name, last)
		}
	}
}

// Whatever a name is, it stays a word within its line.
func TestEscape_LeavesOnlyHarmlessCharacters(t *testing.T) {
	t.Parallel()
	harmless := regexp.MustCompile(`^([A-Za-z0-9._-]|%[0-9A-F]{2})*$`)
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "name"))
		if got := escape(s); !harmless.MatchString(got) {
			t.Fatalf("%q became %q", s, got)
		}
		if sluice.ValidName(s) && escapeName(s) != s {
			t.Fatalf("the valid name %q became %q", s, escapeName(s))
		}
	})
}

// Nothing but printable ASCII and line ends, for any name and any numbers.
func TestText_IsPlain(t *testing.T) {
	t.Parallel()
	plainText := regexp.MustCompile(`^[ -~\n]+$`)
	rapid.Check(t, func(t *rapid.T) {
		e := &event{
			Kind: 2, Device: rapid.String().Draw(t, "device"), At: rapid.Int64().Draw(t, "at"),
			DownAt: rapid.Int64().Draw(t, "down_at"), LostAt: rapid.Int64().Draw(t, "lost_at"),
		}
		back := &event{Kind: 3, Device: e.Device, At: rapid.Int64().Draw(t, "back"), DownAt: rapid.SampledFrom([]int64{e.DownAt, 1}).Draw(t, "of")}
		r := Compose(Config{Facility: rapid.String().Draw(t, "facility")}, id, []*event{e, back})
		if got := r.Text(); !plainText.MatchString(got) {
			t.Fatalf("got %q", got)
		}
	})
}

func TestLength(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"0.1 s":  -time.Hour,
		"0.8 s":  800 * time.Millisecond,
		"1.0 s":  999 * time.Millisecond,
		"9.5 s":  9500 * time.Millisecond,
		"10 s":   10 * time.Second,
		"59 s":   59900 * time.Millisecond,
		"1m 0s":  time.Minute,
		"2m 3s":  123 * time.Second,
		"1h 2m":  3723 * time.Second,
		"1d 0h":  24 * time.Hour,
		"45d 5h": 45*24*time.Hour + 5*time.Hour + 59*time.Minute,
	} {
		if got := length(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}

func TestNear_LeavesOutTheDateThatWasSaid(t *testing.T) {
	t.Parallel()
	for want, pair := range map[string][2]time.Time{
		"12:00:01Z":            {at(1), at(2)},
		"2024-12-31 12:00:00Z": {at(-86400), at(2)},
		"an unknown time":      {{}, at(2)},
	} {
		if got := near(pair[0], pair[1]); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
