// Package deploy holds the configuration files of the servers around Sluice, so
// that tests, demos and installations run the same ones.
//
// But for the files named tls, which are those of compose.yaml, none names a port, an
// address or a data directory: those belong to the installation and follow in files or
// lines of its own.
package deploy

import _ "embed" // for the configuration files below

//go:embed mosquitto/mosquitto.conf
var mosquitto string

//go:embed mosquitto/tls.conf
var mosquittoTLS string

//go:embed redis/redis.conf
var redis string

//go:embed redis/tls.conf
var redisTLS string

//go:embed redis/users.acl.in
var redisUsers string

//go:embed postgres/postgresql.conf
var postgres string

//go:embed postgres/roles.sql
var roles string

// Mosquitto returns mosquitto.conf: a broker that never drops a message that it
// has acknowledged while it runs.
func Mosquitto() string { return mosquitto }

// MosquittoTLS returns tls.conf of Mosquitto: a certificate and a password, both, for
// everybody. Its paths are those of a container.
func MosquittoTLS() string { return mosquittoTLS }

// Redis returns redis.conf: every acknowledged write is on disk.
func Redis() string { return redis }

// RedisTLS returns tls.conf of Redis, likewise.
func RedisTLS() string { return redisTLS }

// RedisUsers returns users.acl.in: the user router, who may use our keys and commands only.
// @ROUTER_SHA256@ stands for the hash of its password, in hexadecimal.
func RedisUsers() string { return redisUsers }

// Postgres returns postgresql.conf: every commit is on disk.
func Postgres() string { return postgres }

// Roles returns roles.sql: psql makes from it the logins migrator, router and api, of
// which each may do what its service needs and nothing else.
func Roles() string { return roles }
