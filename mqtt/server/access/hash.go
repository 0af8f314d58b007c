package access

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	// usualIterations is what mosquitto_passwd 2.0 writes.
	usualIterations = 101
	// maxIterations bounds what one login may cost: 0.6 s of CPU.
	maxIterations = 1_000_000

	minSalt = 8  // bytes; Mosquitto writes 12
	maxSalt = 64 // bytes
)

// hash is a password as the file keeps it.
type hash struct {
	iterations int // of PBKDF2-HMAC-SHA512 [RFC 8018 5.2]; 0: SHA-512, once
	salt, key  []byte
}

// parseHash reads `$7$iterations$salt$key` or `$6$salt$key`, the last two in
// base64. Its errors do not quote the text.
func parseHash(text string) (hash, error) {
	parts := strings.Split(text, "$")
	iterations := 0
	switch {
	case len(parts) == 5 && parts[0] == "" && parts[1] == "7":
		var err error
		if iterations, err = parseIterations(parts[2]); err != nil {
			return hash{}, err
		}
	case len(parts) == 4 && parts[0] == "" && parts[1] == "6":
	default:
		return hash{}, errors.New("not a hash of kind $7$ or $6$; write it with `mosquitto_passwd -H sha512-pbkdf2`")
	}
	salt, key, err := decodeHash(parts[len(parts)-2], parts[len(parts)-1])
	return hash{iterations, salt, key}, err
}

func parseIterations(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxIterations {
		return 0, fmt.Errorf("the iterations of the hash are not 1 to %d; write it anew with mosquitto_passwd", maxIterations)
	}
	return n, nil
}

func decodeHash(saltText, keyText string) (salt, key []byte, err error) {
	salt, err = base64.StdEncoding.DecodeString(saltText)
	if err != nil || len(salt) < minSalt || len(salt) > maxSalt {
		return nil, nil, fmt.Errorf("the salt of the hash is not base64 of %d to %d bytes; write it anew with mosquitto_passwd", minSalt, maxSalt)
	}
	key, err = base64.StdEncoding.DecodeString(keyText)
	if err != nil || len(key) != sha512.Size {
		return nil, nil, fmt.Errorf("the hash is not base64 of %d bytes; write it anew with mosquitto_passwd", sha512.Size)
	}
	return salt, key, nil
}

// matches reports whether password is the one. It takes 0.6 us of CPU per
// iteration, and the same time whatever the answer.
func (h hash) matches(password []byte) bool {
	key, err := h.derive(password)
	return err == nil && subtle.ConstantTimeCompare(key, h.key) == 1
}

func (h hash) derive(password []byte) ([]byte, error) {
	if h.iterations == 0 {
		sum := sha512.Sum512(bytes.Join([][]byte{password, h.salt}, nil))
		return sum[:], nil
	}
	return pbkdf2.Key(sha512.New, string(password), h.salt, h.iterations, sha512.Size)
}

func (h hash) equal(other hash) bool {
	return h.iterations == other.iterations && bytes.Equal(h.salt, other.salt) && bytes.Equal(h.key, other.key)
}

// newDummy returns a hash that no password matches.
func newDummy(iterations int) hash {
	h := hash{iterations: iterations, salt: make([]byte, 12), key: make([]byte, sha512.Size)}
	rand.Read(h.salt) // never fails
	rand.Read(h.key)
	return h
}
