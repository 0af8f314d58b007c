package config

import (
	"crypto/tls"
	"time"

	"sluice/internal/reread"
)

// clientPair is a client's certificate with its key, as the files had them last. While
// the files cannot be used, perhaps because only one of them has been replaced yet, the
// pair before stays until it expires; then the error tells why there is no connection.
func clientPair(cert, key string) *reread.Value[tls.Certificate] {
	return &reread.Value[tls.Certificate]{
		Files: []string{cert, key}, Make: reread.Pair(cert, key),
		Ended: func(c *tls.Certificate) bool { return time.Now().After(c.Leaf.NotAfter) },
	}
}
