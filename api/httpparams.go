package api

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// params are the parameters of a URL. Each is taken by name once; done then tells
// the first fault.
type params struct {
	values url.Values
	taken  []string
	err    error
}

func parseParams(query string) *params {
	p := &params{}
	if p.values, p.err = url.ParseQuery(query); p.err != nil {
		p.err = argument("query", "cannot be read: %v", p.err)
	}
	return p
}

// all returns the values of a parameter that may come several times.
func (p *params) all(name string) []string {
	p.taken = append(p.taken, name)
	return p.values[name]
}

// one returns the value of a parameter, "" when it is not given.
func (p *params) one(name string) string {
	values := p.all(name)
	if len(values) > 1 {
		p.failf(name, "is given %d times; give it once", len(values))
	}
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// number returns a whole number, 0 when it is not given.
func (p *params) number(name string) int64 {
	text := p.one(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		p.failf(name, "%.40q is not a whole number of 64 bits", text)
	}
	return n
}

// word returns one of the words, the first when it is not given.
func (p *params) word(name string, words ...string) string {
	text := p.one(name)
	if text == "" {
		return words[0]
	}
	if !slices.Contains(words, text) {
		p.failf(name, "%.40q is unknown; use %s", text, strings.Join(words, " or "))
	}
	return text
}

// list returns some of the words, which come in one value with commas or in
// several; all of them when none is given.
func (p *params) list(name string, words ...string) []string {
	text := strings.Join(p.all(name), ",")
	if text == "" {
		return words
	}
	chosen := strings.Split(text, ",")
	for _, word := range chosen {
		if !slices.Contains(words, word) {
			p.failf(name, "%.40q is unknown; use some of %s", word, strings.Join(words, ","))
		}
	}
	return chosen
}

func (p *params) failf(name, format string, args ...any) {
	if p.err == nil {
		p.err = argument(name, format, args...)
	}
}

// done returns what is wrong: an argumentError.
func (p *params) done() error {
	for name := range p.values {
		if !slices.Contains(p.taken, name) {
			p.failf(name, "there is no such parameter; use %s", strings.Join(p.taken, ", "))
		}
	}
	return p.err
}
