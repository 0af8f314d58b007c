package api

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"math"
	"slices"
)

// place is up to where a tail has come: the last entry id, 0 for none, of each of
// its facilities, by number.
type place map[int32]int64

const (
	// fieldToken is the field of a request that has the token of a place.
	fieldToken = "resume_token"
	// tokenVersion is the first byte of a token.
	tokenVersion = 1
)

// token returns the place in base64 for URLs: the version, number and entry id of
// each facility as varints, and a CRC-32 of all that. The sum is against mistakes,
// by which rows would silently be left out; a client gains nothing by forging one.
func (p place) token() string {
	b := []byte{tokenVersion}
	for _, id := range slices.Sorted(maps.Keys(p)) {
		b = binary.AppendUvarint(b, uint64(id))
		b = binary.AppendUvarint(b, uint64(p[id]))
	}
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.RawURLEncoding.EncodeToString(b)
}

// parsePlace is the inverse of token. An argumentError.
func parsePlace(token string) (place, error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		b, err = verify(b)
	}
	p := place{}
	for err == nil && len(b) > 0 {
		b, err = p.read(b)
	}
	if err != nil {
		return nil, argument(fieldToken, "is none that this server gave")
	}
	return p, nil
}

var errToken = errors.New("not a token")

// verify returns what lies between version and sum.
func verify(b []byte) ([]byte, error) {
	end := len(b) - crc32.Size
	if end < 1 || b[0] != tokenVersion || binary.BigEndian.Uint32(b[end:]) != crc32.ChecksumIEEE(b[:end]) {
		return nil, errToken
	}
	return b[1:end], nil
}

// read takes one facility from the front of b and returns the rest.
func (p place) read(b []byte) ([]byte, error) {
	id, n := binary.Uvarint(b)
	if n <= 0 || id > math.MaxInt32 {
		return nil, errToken
	}
	entry, m := binary.Uvarint(b[n:])
	if m <= 0 || entry > math.MaxInt64 {
		return nil, errToken
	}
	p[int32(id)] = int64(entry)
	return b[n+m:], nil
}
