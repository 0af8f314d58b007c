package api_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/internal/testenv"
)

// Every path is for callers that are known, by a certificate or a password, and
// nobody reads what is not theirs.
func TestAccess_OverHTTP(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	soon, past := time.Now().Add(time.Hour), time.Now().Add(-time.Minute)
	other := newAuthority(t)
	const none, denied, ok = http.StatusUnauthorized, http.StatusForbidden, http.StatusOK
	for name, tt := range map[string]struct {
		ca             *authority
		until          time.Time
		uris           []string
		user, password string
		want           int
		rows           int    // that it may read
		why            string // in the text of a refusal
	}{
		"one facility":             {s.ca, soon, []string{"sluice://client/analyst"}, "", "", ok, 10, ""},
		"two facilities":           {s.ca, soon, []string{"sluice://client/boss"}, "", "", ok, 20, ""},
		"no facility":              {s.ca, soon, []string{"sluice://client/nobody"}, "", "", ok, 0, ""},
		"nothing":                  {s.ca, soon, nil, "", "", none, 0, "no client certificate"},
		"of another authority":     {other, soon, []string{"sluice://client/boss"}, "", "", none, 0, "not signed"},
		"expired":                  {s.ca, past, []string{"sluice://client/boss"}, "", "", none, 0, "expired"},
		"device":                   {s.ca, soon, []string{"sluice://device/boss"}, "", "", denied, 0, "sluice://client/"},
		"not in the list":          {s.ca, soon, []string{"sluice://client/stranger"}, "", "", denied, 0, "api.clients"},
		"user":                     {s.ca, soon, nil, "anna", "correct horse", ok, 10, ""},
		"wrong password":           {s.ca, soon, nil, "anna", "correct hors", none, 0, "wrong password"},
		"no password":              {s.ca, soon, nil, "anna", "", none, 0, "wrong password"},
		"unknown user":             {s.ca, soon, nil, "bob", "correct horse", none, 0, "unknown user"},
		"user of no name":          {s.ca, soon, nil, "", "x", none, 0, "unknown user"},
		"client as a user":         {s.ca, soon, nil, "boss", "correct horse", none, 0, "unknown user"},
		"user and bad certificate": {other, soon, []string{"sluice://client/boss"}, "anna", "correct horse", ok, 10, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newBrowser(t, &http.Transport{TLSClientConfig: s.config(tt.ca, tt.until, tt.uris...), ForceAttemptHTTP2: true})
			get := func(path string) (*http.Response, string) {
				t.Helper()
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.web.url+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				if tt.user != "" || tt.password != "" {
					r.SetBasicAuth(tt.user, tt.password)
				}
				resp, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
					return resp, ""
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				return resp, string(body)
			}
			for _, path := range []string{"/", "/v1/sensor", "/v1/devices", "/v1/routes", "/v1/events?types=route", "/v1/nothing", "/grpc.health.v1.Health/Check?encoding=json&connect=v1&message=%7B%7D"} {
				resp, body := get(path)
				want := tt.want
				if want == ok && path == "/v1/nothing" {
					want = http.StatusNotFound
				}
				if got := resp.StatusCode; want != ok && got != want || want == ok && got >= 400 && !strings.HasPrefix(path, "/grpc") {
					t.Errorf("%s: got %d, want %d: %s", path, got, want, body)
				}
				if got := resp.Header.Get("WWW-Authenticate"); (resp.StatusCode == none) != strings.HasPrefix(got, "Basic ") {
					t.Errorf("%s: got %d and WWW-Authenticate %q", path, resp.StatusCode, got)
				}
				if tt.want != ok {
					wantFault(t, path, resp.StatusCode, body, tt.want, tt.why)
				}
			}
			if _, body := get("/v1/sensor"); tt.want == ok && strings.Count(body, "\n") != tt.rows {
				t.Errorf("got %d rows, want %d", strings.Count(body, "\n"), tt.rows)
			}
			for _, path := range []string{"/v1/sensor", "/v1/devices", "/v1/outages", "/v1/routes", "/v1/dead-letters", "/v1/sensor/aggregate", "/v1/events"} {
				if resp, body := get(path + "?facilities=plant-3"); tt.want == ok && resp.StatusCode != denied {
					t.Errorf("%s of another facility: got %d, want %d: %s", path, resp.StatusCode, denied, body)
				}
			}
		})
	}
}

// Only TLS tells who calls: plain text gets nothing, from the port with TLS.
func TestAccess_PlainTextOnTheTLSPort(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	resp := request(t, newBrowser(t, &http.Transport{}), http.MethodGet, "http://"+s.web.addr+"/v1/sensor", http.Header{"Host": {"localhost"}})
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusBadRequest || strings.Contains(string(body), "plant") {
		t.Errorf("got %d, %s", resp.StatusCode, body)
	}
}

// The pair and client_ca are read again over HTTP, too.
func TestAccess_OverHTTP_Reload(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	other := newAuthority(t)
	client := newBrowser(t, &http.Transport{TLSClientConfig: s.config(other, time.Now().Add(time.Hour), "sluice://client/boss")})
	if resp := request(t, client, http.MethodGet, s.web.url+"/v1/devices", nil); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("before: got %d", resp.StatusCode)
	}
	s.trust(t, other)
	if resp := request(t, client, http.MethodGet, s.web.url+"/v1/devices", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("after: got %d", resp.StatusCode)
	}
	s.rewrite(t, time.Now().Add(-time.Minute))
	testenv.Eventually(t, within, func() error {
		resp, err := newBrowser(t, &http.Transport{TLSClientConfig: s.config(other, time.Now().Add(time.Hour))}).Get(s.web.url)
		if err == nil {
			_ = resp.Body.Close()
			return fmt.Errorf("the expired pair is not served: %d", resp.StatusCode)
		}
		return nil
	})
}
