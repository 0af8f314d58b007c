package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// print writes v as JSON under --json, else the table that fill makes.
func (c *cli) print(cmd *cobra.Command, v any, fill func(*table)) error {
	if c.json {
		return writeJSON(cmd.OutOrStdout(), v)
	}
	t := &table{w: tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)}
	fill(t)
	return t.w.Flush()
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// table writes aligned columns.
type table struct{ w *tabwriter.Writer }

// row writes one line. Cells are printed with %v, control characters escaped: a
// device's name may hold anything.
func (t *table) row(cells ...any) {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = plain(fmt.Sprint(cell))
	}
	fmt.Fprintln(t.w, strings.Join(texts, "\t"))
}

// plain escapes what could break a line or steer a terminal.
func plain(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || r == '\ufffd' {
			fmt.Fprintf(&b, `\x%02x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// none stands in a table for what there is not.
const none = "-"

// moment is a time of day here.
func moment(t time.Time) string {
	if t.IsZero() {
		return none
	}
	return t.Local().Format(time.DateTime)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return none
}

// short rounds a duration for people.
func short(d time.Duration) string {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}
