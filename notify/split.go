package notify

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// minRoom is how many characters of a part must be left for the text itself.
const minRoom = 16

// Split cuts a text into parts of at most limit characters (runes), marks and id
// included; limit 0 or less is none. It cuts at line ends, and inside a line only
// where the line is longer than a part. A text that fits is one part:
//
//	<text>
//	[<id>]
//
// Of more the second is, for example:
//
//	(2/3) <text>
//	[<id>-2]
//
// The error is that of a limit which leaves no room beside marks and id.
func Split(text, id string, limit int) ([]string, error) {
	text = strings.TrimRight(text, "\n")
	whole := text + trailer(id)
	if limit <= 0 || utf8.RuneCountInString(whole) <= limit {
		return []string{whole}, nil
	}
	// How long the marks are depends on how many parts there are, and the other way
	// round: try with one digit, then with two, ...
	for digits := 1; ; digits++ {
		room := limit - overhead(id, digits)
		if room < minRoom {
			return nil, fmt.Errorf("a part of %d characters has no room beside marks and id %q", limit, id)
		}
		bodies := cut(text, room)
		if len(strconv.Itoa(len(bodies))) <= digits {
			return mark(bodies, id), nil
		}
	}
}

// partID is the id of part i, from 0, of n.
func partID(id string, i, n int) string {
	if n == 1 {
		return id
	}
	return fmt.Sprintf("%s-%d", id, i+1)
}

func marker(i, n int) string { return fmt.Sprintf("(%d/%d) ", i+1, n) }

func trailer(id string) string { return "\n[" + id + "]" }

// overhead is the most characters that marks and id take when the number of parts
// has so many digits.
func overhead(id string, digits int) int {
	return len("(/) ") + 2*digits + len("\n[-]") + utf8.RuneCountInString(id) + digits
}

func mark(bodies []string, id string) []string {
	n := len(bodies)
	parts := make([]string, n)
	for i, body := range bodies {
		parts[i] = marker(i, n) + body + trailer(partID(id, i, n))
	}
	return parts
}

// cut returns pieces of at most room runes, none empty. The line end at which it
// cuts is left out.
func cut(text string, room int) (pieces []string) {
	for {
		end := runesEnd(text, room)
		if end == len(text) {
			return append(pieces, text)
		}
		next := end
		// The line end itself may be the first character that has no room.
		if i := strings.LastIndexByte(text[:end+1], '\n'); i > 0 {
			end, next = i, i+1
		}
		pieces = append(pieces, text[:end])
		text = text[next:]
	}
}

// runesEnd is where the first n runes of s end.
func runesEnd(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}
