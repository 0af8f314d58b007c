package notify

import (
	"fmt"
	"strings"
	"time"

	"sluice"
)

// Limits of a text.
const (
	maxListed = 200 // devices with a line of their own
	maxFirst  = 5   // names in the summary of a storm
)

// Text is the report in words, for people on call: the summary, then a line per
// device, at most 200 of them. Printable ASCII and '\n' only.
func (r *Report) Text() string {
	listed := *r
	if r.Storm != nil {
		listed.Outages, listed.Flapping = nil, nil // in stormLines
	}
	top, more := listed.Top(maxListed)
	lines := append([]string{r.Summary}, r.stormLines()...)
	lines = append(lines, r.restartLines()...)
	lines = append(lines, top.deviceLines()...)
	if more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// summary says where and how many.
func (r *Report) summary() string {
	if s := r.Storm; s != nil {
		return fmt.Sprintf("%s at %s went down within %s", s.share(), r.Facility, length(s.Last.Sub(s.First)))
	}
	down, back := map[string]bool{}, map[string]bool{}
	for _, o := range r.Outages {
		if o.Back.IsZero() {
			down[o.Device] = true
		} else {
			back[o.Device] = true
		}
	}
	c := counts{}
	c.add(len(down), "down")
	c.add(len(r.Flapping), "flapping")
	c.add(len(back), "down and back again")
	c.add(len(r.Recoveries), "back")
	c.add(len(r.Steady), "steady again")
	if len(r.Restarts) > 0 {
		c = append(counts{"the broker was restarted"}, c...)
	}
	return r.Facility + ": " + strings.Join(c, ", ")
}

// share is "41 of 50 devices". Devices that were new or fell twice can make the
// number before the outages meaningless; then it is left out.
func (s *Storm) share() string {
	if s.Alive < s.Devices {
		return fmt.Sprintf("%d devices", s.Devices)
	}
	return fmt.Sprintf("%d of %d devices", s.Devices, s.Alive)
}

// counts are "2 devices down", "1 back".
type counts []string

func (c *counts) add(n int, what string) {
	noun := ""
	switch {
	case n == 0:
		return
	case len(*c) > 0: // what is counted has been said
	case n == 1:
		noun = "device "
	default:
		noun = "devices "
	}
	*c = append(*c, fmt.Sprintf("%d %s%s", n, noun, what))
}

func (r *Report) restartLines() (lines []string) {
	for _, b := range r.Restarts {
		line := "a restart of the broker was noticed at " + stamp(b.Noticed)
		if !b.Started.IsZero() {
			line = "the broker was restarted at " + stamp(b.Started)
		}
		if !b.Until.IsZero() {
			line += fmt.Sprintf("; devices have until %s to come back", near(b.Until, b.Noticed))
		}
		lines = append(lines, line)
	}
	return lines
}

func (r *Report) stormLines() []string {
	if r.Storm == nil {
		return nil
	}
	lines := []string{fmt.Sprintf("since %s: %s", stamp(r.Storm.First), r.firstNames())}
	if c := r.causes(); c != "" {
		lines = append(lines, c)
	}
	back := 0
	for _, o := range r.Outages {
		back += order(o)
	}
	if back > 0 {
		lines = append(lines, fmt.Sprintf("came back meanwhile: %d", back))
	}
	if n := len(r.Flapping); n > 0 {
		lines = append(lines, fmt.Sprintf("flapping: %d; nothing more is said of them until they have been steady for %s", n, window()))
	}
	return lines
}

// firstNames are some of the devices of a storm, those that are down first.
func (r *Report) firstNames() string {
	var names []string
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] && len(names) < maxFirst {
			seen[name] = true
			names = append(names, name)
		}
	}
	for _, o := range r.Outages {
		add(o.Device)
	}
	for _, f := range r.Flapping {
		add(f.Device)
	}
	list := strings.Join(names, ", ")
	if more := r.Storm.Devices - len(names); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}

// causes counts the outages of a storm by cause.
func (r *Report) causes() string {
	n := map[string]int{}
	for _, o := range r.Outages {
		n[o.Cause]++
	}
	for _, f := range r.Flapping {
		n[f.Cause]++
	}
	var said []string
	for _, cause := range []string{"lwt", "silent", "grace"} {
		if n[cause] > 0 {
			said = append(said, fmt.Sprintf("%s: %d", why(cause), n[cause]))
		}
	}
	return strings.Join(said, ", ")
}

func (r *Report) deviceLines() (lines []string) {
	var back []string
	for _, o := range r.Outages {
		if o.Back.IsZero() {
			lines = append(lines, o.line())
		} else {
			back = append(back, o.line())
		}
	}
	for _, f := range r.Flapping {
		lines = append(lines, f.line())
	}
	lines = append(lines, back...)
	for _, b := range r.Recoveries {
		lines = append(lines, b.line())
	}
	for _, s := range r.Steady {
		lines = append(lines, s.line())
	}
	return lines
}

func (o Outage) line() string {
	cause := ""
	if w := why(o.Cause); w != "" {
		cause = " (" + w + ")"
	}
	if !o.Back.IsZero() {
		return fmt.Sprintf("%s down at %s for %s%s, came back meanwhile", o.Device, stamp(o.Down), length(o.Back.Sub(o.Down)), cause)
	}
	line := fmt.Sprintf("%s down since %s%s", o.Device, stamp(o.Down), cause)
	if !o.Lost.IsZero() {
		line += ", nothing heard since " + near(o.Lost, o.Down)
	}
	return line
}

func (f Flap) line() string {
	line := f.Device + " flaps"
	if f.Outages > 0 {
		line += fmt.Sprintf(": %d outages in %s", f.Outages, window())
	}
	if !f.Down.IsZero() {
		line += ", the last at " + stamp(f.Down)
	}
	return line + "; nothing more is said of it until it has been steady for " + window()
}

func (b Recovery) line() string {
	if b.Down.IsZero() {
		return fmt.Sprintf("%s back at %s", b.Device, stamp(b.Back))
	}
	return fmt.Sprintf("%s back after %s, at %s", b.Device, length(b.Back.Sub(b.Down)), stamp(b.Back))
}

func (s Steady) line() string {
	line := s.Device + " is steady again: "
	switch {
	case !s.Down.IsZero():
		return line + "down since " + stamp(s.Down)
	case s.State == "suspect":
		return line + "up, but its last will has come"
	}
	return line + s.State
}

// why says in plain words why a device went down; "" when that is not known.
func why(cause string) string {
	switch cause {
	case "lwt":
		return "its last will"
	case "silent":
		return "silent"
	case "grace":
		return "did not come back after the broker restarted"
	}
	return ""
}

func window() string { return fmt.Sprintf("%d min", int(sluice.FlapWindow.Minutes())) }

// stamp writes a time in UTC.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// near writes a time without the date when that is the date of ref, which stands
// before it.
func near(t, ref time.Time) string {
	const day = "2006-01-02"
	if t.IsZero() || t.UTC().Format(day) != ref.UTC().Format(day) {
		return stamp(t)
	}
	return t.UTC().Format("15:04:05Z")
}

// length writes a duration in its two largest units: 0.8 s, 45 s, 2m 3s, 3h 5m,
// 2d 4h. One below 0 (the clock was set back) is the shortest.
func length(d time.Duration) string {
	switch s := int64(d.Seconds()); {
	case d < 10*time.Second:
		tenths := max(1, (d+50*time.Millisecond)/(100*time.Millisecond))
		return fmt.Sprintf("%d.%d s", tenths/10, tenths%10)
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%dm %ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh %dm", s/3600, s/60%60)
	default:
		return fmt.Sprintf("%dd %dh", s/86400, s/3600%24)
	}
}

// escapeName makes any text fit for a chat, a log or a terminal, whatever sent it:
// names were checked at the door, but this is the last place to look.
func escapeName(name string) string {
	const most = sluice.MaxName
	switch {
	case name == "":
		return "(no name)"
	case len(name) > most:
		return escape(name[:most]) + "..."
	}
	return escape(name)
}

// escape writes every byte that no name has as %XX.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func plain(c byte) bool {
	return c-'0' < 10 || (c|0x20)-'a' < 26 || c == '.' || c == '_' || c == '-'
}
