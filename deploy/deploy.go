// Package deploy holds the configuration files of the servers around Sluice, so
// that tests, demos and installations run the same ones.
//
// No file names a port, an address or a data directory: those belong to the
// installation and follow in files or lines of its own.
package deploy

import _ "embed" // for the configuration files below

//go:embed mosquitto/mosquitto.conf
var mosquitto string

//go:embed redis/redis.conf
var redis string

//go:embed postgres/postgresql.conf
var postgres string

// Mosquitto returns mosquitto.conf: a broker that never drops a message that it
// has acknowledged while it runs.
func Mosquitto() string { return mosquitto }

// Redis returns redis.conf: every acknowledged write is on disk.
func Redis() string { return redis }

// Postgres returns postgresql.conf: every commit is on disk.
func Postgres() string { return postgres }
