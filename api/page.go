package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
)

// Sizes of a page.
const (
	defaultPage = 100
	maxPage     = 1000
)

// pageKey says behind what a page begins: what a page token holds. A client may
// write one of its own: it names a place in what the client may read, nothing
// more.
type pageKey struct {
	Facility int32  `json:"f,omitempty"`
	Name     string `json:"n,omitempty"`
	// At is a time, Unix microseconds or seconds, or an id.
	At int64 `json:"t,omitempty"`
}

func (k pageKey) token() string {
	text, _ := json.Marshal(k) //nolint:errchkjson // numbers and a string
	return base64.RawURLEncoding.EncodeToString(text)
}

func parseToken(token string) (k pageKey, err error) {
	if token == "" {
		return k, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(text, &k)
	}
	if err != nil {
		return pageKey{}, argument("page_token", "is none that this server gave")
	}
	return k, nil
}

// nextToken returns the token of the page after this one; none when this one is
// not full.
func nextToken[T any](page []T, limit int, key func(T) pageKey) string {
	if len(page) < limit {
		return ""
	}
	return key(page[len(page)-1]).token()
}

// listRequest is what the requests of all lists have.
type listRequest interface {
	GetFacilities() []string
	GetPageSize() int32
	GetPageToken() string
}

// list is a request that was checked.
type list struct {
	choice

	after pageKey
	limit int
}

func (s *Server) list(ctx context.Context, req listRequest) (l list, err error) {
	switch n := req.GetPageSize(); {
	case n < 0:
		return l, argument("page_size", "%d is not allowed; use 0 to %d", n, maxPage)
	case n == 0:
		l.limit = defaultPage
	default:
		l.limit = min(int(n), maxPage)
	}
	if l.after, err = parseToken(req.GetPageToken()); err != nil {
		return l, err
	}
	l.choice, err = s.facilities(ctx, req.GetFacilities())
	return l, err
}
