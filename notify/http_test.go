package notify

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What all receivers share is tested through them: internal/receivertest.

func TestAnswered_EveryStatus(t *testing.T) {
	t.Parallel()
	for code := 100; code <= 999; code++ {
		err := answered(code, "", noon)
		_, refused := errors.AsType[*RefusedError](err)
		retry := code == 408 || code == 420 || code == 429 || code/100 == 5
		switch {
		case code/100 == 2:
			if err != nil {
				t.Errorf("%d: got %v", code, err)
			}
		case refused == retry:
			t.Errorf("%d: refused is %t", code, refused)
		case !strings.Contains(err.Error(), fmt.Sprint("it answered ", code)):
			t.Errorf("%d: got %v", code, err)
		case refused && !strings.Contains(err.Error(), ": "):
			t.Errorf("%d: no advice: %v", code, err)
		}
	}
}

func TestAnswered_RetryAfter(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"1":                             time.Second,
		"120":                           2 * time.Minute,
		"3601":                          MaxRetryAfter,
		"99999999999999999999999":       MaxRetryAfter,
		"-5":                            0,
		"1.5":                           0,
		"soon":                          0,
		at(90).Format(http.TimeFormat):  90 * time.Second,
		at(0).Format(http.TimeFormat):   0,
		at(-9).Format(http.TimeFormat):  0,
		at(1e6).Format(http.TimeFormat): MaxRetryAfter,
		"Sun, 06 Nov 9994 08:49:37 GMT": MaxRetryAfter,
		at(30).Format("Monday, 02-Jan-06 15:04:05 GMT"): 30 * time.Second, // obsolete, to be accepted
	} {
		for _, code := range []int{408, 420, 429, 500, 503} {
			var got time.Duration
			if busy, ok := errors.AsType[*BusyError](answered(code, header, noon)); ok {
				got = busy.After
			}
			if got != want {
				t.Errorf("%d after %q: got %v, want %v", code, header, got, want)
			}
		}
		if _, ok := errors.AsType[*BusyError](answered(404, header, noon)); ok {
			t.Errorf("404 after %q is not refused", header)
		}
	}
}

// Errors as net/http makes them, all of which quote something.
func TestInWords_QuotesNothing(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for want, err := range map[string]error{
		"its host is not known to DNS":               &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: secret}},
		"connection refused":                         &url.Error{URL: secret, Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}},
		"it closed the connection without an answer": fmt.Errorf("%s: %w", secret, io.ErrUnexpectedEOF),
		"it does not speak TLS":                      fmt.Errorf("%s: %w", secret, http.ErrSchemeMismatch),
		"its certificate is not accepted":            &tls.CertificateVerificationError{Err: errors.New(secret)},
		"the exchange with it broke off":             errors.New("malformed HTTP response " + secret),
	} {
		if got := inWords(err); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
}

// request is one to a server of the test.
func request(url string) Request {
	return Request{URL: NewSecret(url), Key: "k", Body: struct{}{}}
}

// tlsServer does not write to the test's output that clients do not trust it.
func tlsServer(t testing.TB) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func TestPost_CertificatesAreVerified(t *testing.T) {
	t.Parallel()
	err := NewPoster(0).Post(t.Context(), request(tlsServer(t).URL))
	if err == nil || err.Error() != "its certificate is signed by an unknown authority" {
		t.Errorf("got %v", err)
	}
}

func TestPost_TLSToAServerWithout(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	err := NewPoster(0).Post(t.Context(), request(strings.Replace(server.URL, "http:", "https:", 1)))
	if err == nil || err.Error() != "it does not speak TLS" {
		t.Errorf("got %v", err)
	}
}

// The status decides. What follows is read for politeness, not for ever.
func TestPost_EndlessBody(t *testing.T) {
	t.Parallel()
	for name, endless := range map[string]http.HandlerFunc{
		"long": func(w http.ResponseWriter, _ *http.Request) {
			for range 1000 {
				if _, err := w.Write(make([]byte, 1<<14)); err != nil {
					return
				}
			}
		},
		"silent": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				endless(w, r)
			}))
			defer server.Close()
			if err := NewPoster(200*time.Millisecond).Post(t.Context(), request(server.URL)); err != nil {
				t.Errorf("got %v, want it accepted", err)
			}
		})
	}
}

func TestPost_WhatCannotBeSentIsRefused(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]Request{
		"no URL":  {},
		"no JSON": {URL: NewSecret("http://localhost"), Body: func() {}},
	} {
		if _, ok := errors.AsType[*RefusedError](NewPoster(0).Post(t.Context(), r)); !ok {
			t.Errorf("%s: not refused", name)
		}
	}
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"https://example.com/x?y=z": true, "http://u:p@10.0.0.1:8080": true, "http://[::1]:80": true,
		"": false, "example.com": false, "https://": false, "https://:80": false, "ftp://example.com": false, "http://%zz": false,
	} {
		if err := CheckURL(NewSecret(text)); (err == nil) != good {
			t.Errorf("%q: got %v", text, err)
		}
	}
}
