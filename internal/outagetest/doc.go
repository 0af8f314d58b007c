// Package outagetest tests that outages are reported truly: from a device's
// socket to the receiver of the report, on real servers. It has nothing but
// tests. The stub of GroupMe is a real HTTP server; the fleet of package device
// logs what it did, which is what the reports are compared with.
package outagetest
