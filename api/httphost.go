package api

import (
	"net"
	"net/netip"
	"strings"
)

// loopbackHost reports whether a header Host, with or without port, names this
// machine alone. A page of another site can have its own name lead to 127.0.0.1
// and read everything (DNS rebinding), but its browser sends that name.
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}
