package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

// DefaultTimeout is that of one request.
const DefaultTimeout = 10 * time.Second

// maxAnswer is how many bytes of an answer's body are read before it is closed.
const maxAnswer = 64 << 10

// Poster sends JSON to receivers over HTTP. Safe for concurrent use.
type Poster struct {
	transport http.RoundTripper
	timeout   time.Duration
}

// NewPoster returns a Poster whose requests take at most timeout, 0 for
// DefaultTimeout. The proxy is that of the environment (HTTPS_PROXY, NO_PROXY).
func NewPoster(timeout time.Duration) *Poster {
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	return &Poster{timeout: timeout, transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		// A report is rare: a connection that was kept would be a dead one. And on a
		// kept connection net/http repeats a request that has an Idempotency-Key by
		// itself, unseen by the note of what was sent.
		DisableKeepAlives:      true,
		TLSHandshakeTimeout:    timeout,
		MaxResponseHeaderBytes: maxAnswer,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
	}}
}

// Request is one POST.
type Request struct {
	// URL, http or https, may have a user and a password.
	URL Secret
	// Header has further fields; what Post sets itself cannot be replaced.
	Header map[string]Secret
	// Key is the Idempotency-Key.
	Key string
	// Body is sent as JSON.
	Body any
}

// Post makes the request and returns nil if the answer is 2xx, else an error as
// Sender.Send does (see answered). Redirects are not followed. No error has a
// word of the URL, the header, the body or the answer.
func (p *Poster) Post(ctx context.Context, r Request) error {
	limited, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	request, err := r.build(limited)
	if err != nil {
		return &RefusedError{err}
	}
	// Not a http.Client: it follows redirects and has the URL in its errors.
	answer, err := p.transport.RoundTrip(request)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return fmt.Errorf("no answer within %v", p.timeout)
	default:
		return errors.New(inWords(err))
	}
	defer answer.Body.Close()
	// The outcome is known. A server that is still writing should not be cut off at
	// once; whether it gets to the end does not matter.
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer))
	return answered(answer.StatusCode, answer.Header.Get("Retry-After"), time.Now())
}

func (r *Request) build(ctx context.Context) (*http.Request, error) {
	if err := CheckURL(r.URL); err != nil {
		return nil, err
	}
	body, err := json.Marshal(r.Body)
	if err != nil {
		return nil, errors.New("the report cannot be written as JSON")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL.Reveal(), bytes.NewReader(body))
	if err != nil {
		return nil, errURL
	}
	for name, value := range r.Header {
		request.Header.Set(name, value.Reveal())
	}
	if u := request.URL.User; u != nil { // what a http.Client would do
		password, _ := u.Password()
		request.SetBasicAuth(u.Username(), password)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "sluice")
	request.Header.Set("Idempotency-Key", r.Key)
	return request, nil
}

var errURL = errors.New("its URL is none: use http:// or https:// and a host")

// CheckURL tells whether Post can use the URL. The error does not quote it.
func CheckURL(s Secret) error {
	u, err := url.Parse(s.Reveal())
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return errURL
	}
	return nil
}

// statusCalm is what GroupMe answers to who sends too much ("Enhance Your Calm").
const statusCalm = 420

// answered says what an HTTP status means:
//
//	2xx                  accepted
//	408, 420, 429, 5xx   try again, not before Retry-After has passed
//	any other            refused
func answered(code int, retryAfter string, now time.Time) error {
	if code >= 200 && code <= 299 {
		return nil
	}
	err := fmt.Errorf("it answered %s", status(code))
	switch {
	case code == http.StatusRequestTimeout, code == statusCalm, code == http.StatusTooManyRequests, code >= 500 && code <= 599:
		if d := wait(retryAfter, now); d > 0 {
			return &BusyError{Err: err, After: d}
		}
		return err
	}
	return &RefusedError{fmt.Errorf("%w: %s", err, advice(code))}
}

// status does not use the server's own phrase, which may be anything.
func status(code int) string {
	if text := http.StatusText(code); text != "" {
		return fmt.Sprintf("%d %s", code, text)
	}
	return strconv.Itoa(code)
}

// advice is what to do about a refusal.
func advice(code int) string {
	switch {
	case code >= 300 && code <= 399:
		return "redirects are not followed; configure the URL that it redirects to"
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return "check the secret that it is configured with"
	case code == http.StatusNotFound, code == http.StatusGone:
		return "check its URL, and the id of the bot if it is one"
	case code == http.StatusBadRequest, code == http.StatusUnprocessableEntity, code == http.StatusUnsupportedMediaType:
		return "it does not understand the report; check that the URL is the one for it, and the id of the bot if it is one"
	case code == http.StatusMethodNotAllowed:
		return "it does not take POST; check its URL"
	case code == http.StatusRequestEntityTooLarge:
		return "raise its limit for the size of a request"
	}
	return "check how the receiver is configured"
}

// wait reads Retry-After: seconds or an HTTP date [RFC 9110, 10.2.3]; at most
// MaxRetryAfter, 0 when it has passed or is neither.
func wait(retryAfter string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(retryAfter, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(MaxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(retryAfter); err == nil {
		return max(0, min(at.Sub(now), MaxRetryAfter))
	}
	return 0
}

// inWords says why there was no answer. The texts of errors are not used, for what
// they quote: the host, a URL, or the first line of an answer that may echo it.
func inWords(err error) string {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "its host is not known to DNS"
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "its certificate is that of another host"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "its certificate is signed by an unknown authority"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "its certificate has expired or is not valid yet"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "its certificate is not accepted"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return "it does not speak TLS"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "it closed the connection without an answer"
	}
	return "the exchange with it broke off"
}
