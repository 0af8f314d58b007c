// Package webhook posts reports as JSON to a URL.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"sluice/notify"
)

// maxDevices is how many devices a report lists; the rest is counted.
const maxDevices = 1000

// Config of a receiver. Only URL is required.
type Config struct {
	// URL to post to, http or https. A secret, because many have a token in it. User
	// and password are sent as basic authentication.
	URL notify.Secret
	// Header has further fields of the request, such as Authorization; the values
	// are secret. Default none.
	Header map[string]notify.Secret
	// Timeout of one request. Default notify.DefaultTimeout, 10 s.
	Timeout time.Duration
}

// Receiver is a notify.Sender. Safe for concurrent use.
type Receiver struct {
	url    notify.Secret
	header map[string]notify.Secret
	poster *notify.Poster
}

// New returns a receiver, or an error that says what is wrong with c.
func New(c Config) (*Receiver, error) {
	if c.URL.IsZero() {
		return nil, errors.New("webhook: no URL")
	}
	if err := notify.CheckURL(c.URL); err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	for name, value := range c.Header {
		if err := checkField(name, value.Reveal()); err != nil {
			return nil, fmt.Errorf("webhook: header %q: %w", name, err)
		}
	}
	return &Receiver{url: c.URL, header: maps.Clone(c.Header), poster: notify.NewPoster(c.Timeout)}, nil
}

// checkField refuses what net/http would refuse at every report [RFC 9110, 5.1
// and 5.5].
func checkField(name, value string) error {
	token := func(c rune) bool {
		return c > ' ' && c < 0x7f && !strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	}
	if name == "" || strings.ContainsFunc(name, func(c rune) bool { return !token(c) }) {
		return errors.New("not the name of a header field")
	}
	if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
		return errors.New("the value has a control character, perhaps a line end")
	}
	return nil
}

// Limit implements notify.Sender: there is none.
func (r *Receiver) Limit() int { return 0 }

// body is what is posted.
type body struct {
	*notify.Report

	Text string `json:"text"`
	// More counts the devices that are not listed.
	More int `json:"more,omitempty"`
}

// Send implements notify.Sender.
func (r *Receiver) Send(ctx context.Context, p *notify.Part) error {
	top, more := p.Report.Top(maxDevices)
	return r.poster.Post(ctx, notify.Request{
		URL: r.url, Header: r.header, Key: p.ID,
		Body: body{Report: top, Text: p.Text, More: more},
	})
}
