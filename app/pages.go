package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sluice/config"
)

// pages are the health pages of a process on this machine, for whoever asks it how it
// is. Safe for concurrent use.
type pages struct {
	key     string // of their address in the configuration
	address string // host:port, as the process listens; "" for off
	client  http.Client
}

// newPages returns the pages of a service by its name. A service with another name than
// those of Sluice is a batch-router with handlers of its own.
func newPages(service string, m config.Metrics) *pages {
	p := &pages{client: http.Client{Transport: &http.Transport{DisableKeepAlives: true}}} // and no proxy on the way
	switch service {
	case "api":
		p.key, p.address = "metrics.api", m.API
	case "clock":
		p.key, p.address = "metrics.clock", m.Clock
	case "device":
		p.key, p.address = "metrics.device", m.Device
	default:
		p.key, p.address = "metrics.batch_router", m.BatchRouter
	}
	return p
}

// base is the URL before the path of a page. It is an error if nobody can know it.
func (p *pages) base() (string, error) {
	if p.address == "" {
		return "", fmt.Errorf("%s is off: there is no page to ask; give it an address", p.key)
	}
	host, port, err := net.SplitHostPort(p.address)
	if err != nil {
		return "", fmt.Errorf("%s: %w", p.key, err)
	}
	if port == "0" {
		return "", fmt.Errorf("%s: port 0 is another one at each start; give it a port", p.key)
	}
	if host == "" || net.ParseIP(host).IsUnspecified() { // all addresses: this one too
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// ready asks /readyz: nil when every check holds, else the reasons in one line.
func (p *pages) ready(ctx context.Context) error {
	status, body, err := p.get(ctx, "/readyz")
	if err != nil || status == http.StatusOK {
		return err
	}
	report := map[string]string{}
	if json.Unmarshal(body, &report) != nil || notReady(report) == nil {
		return p.refusal(status)
	}
	return notReady(report)
}

// alive asks /livez: nil when the process answers.
func (p *pages) alive(ctx context.Context) error {
	status, _, err := p.get(ctx, "/livez")
	if err == nil && status != http.StatusOK {
		err = p.refusal(status)
	}
	return err
}

// refusal is of a page that is not one of ours.
func (p *pages) refusal(status int) error {
	return fmt.Errorf("what answers at %s (%s) is not this service: status %d", p.key, p.address, status)
}

// vitals are those of the process itself. Without pages it is ready when it starts, and
// lives while it runs.
func (p *pages) vitals() vitals {
	if _, err := p.base(); err != nil {
		good := func(context.Context) error { return nil }
		return vitals{ready: good, alive: good}
	}
	return vitals{ready: p.ready, alive: p.alive}
}

// maxPage bounds what is read of a page, in bytes.
const maxPage = 1 << 20

func (p *pages) get(ctx context.Context, path string) (status int, body []byte, err error) {
	base, err := p.base()
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("no answer at %s (%s): %w", p.key, p.address, plain(err))
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxPage))
	return resp.StatusCode, body, err
}

// plain is an error of a client without the URL, which the caller names in its own words.
func plain(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// notReady is what a report of checks says against a process; nil when all are ok.
func notReady(report map[string]string) error {
	var reasons []string
	for _, name := range slices.Sorted(maps.Keys(report)) {
		if report[name] != "ok" {
			reasons = append(reasons, name+": "+report[name])
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	return errors.New(oneLine(strings.Join(reasons, "; ")))
}

// oneLine is a text with single spaces for all line breaks and spaces.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
