// Package hostiletest proves that a device with valid credentials reads nothing of
// others, forges nothing in their names, and makes the router lose nothing. The same
// attempts run against a real Mosquitto with the shipped configuration and against the
// front door, byte by byte, so that no client library makes them polite. HOSTILE=full
// makes the floods large.
package hostiletest
