package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Users are those who may read over HTTP with a password, by name.
type Users map[string]User

// User is what is known of one. It holds no password.
type User struct {
	sum        [sha256.Size]byte
	facilities []string
}

// NewUser returns a user who may read these facilities.
func NewUser(password string, facilities []string) User {
	return User{sum: sha256.Sum256([]byte(password)), facilities: facilities}
}

var errPassword = status.Error(codes.Unauthenticated, "unknown user or wrong password")

// user returns who calls, by the header of HTTP basic authentication. It takes the
// same time whether there is such a user or not.
func (s *Server) user(authorization string) (reader, error) {
	r := http.Request{Header: http.Header{"Authorization": {authorization}}}
	name, password, ok := r.BasicAuth()
	if !ok {
		return reader{}, status.Error(codes.Unauthenticated, "the header Authorization is not of HTTP basic authentication")
	}
	user, known := s.c.Users[name]
	sum := sha256.Sum256([]byte(password))
	if subtle.ConstantTimeCompare(sum[:], user.sum[:]) != 1 || !known {
		return reader{}, errPassword
	}
	// A client may have the same name: the limit of streams tells them apart.
	return reader{name: name + " (user)", facilities: user.facilities}, nil
}
