package testenv

import (
	"maps"
)

// Option changes how a server is started.
type Option func(*options)

type options struct {
	config []string          // lines after the shipped configuration
	users  map[string]string // Mosquitto: name to password
}

// Config appends lines to the server's configuration file. They win over the
// shipped ones: "maxmemory 4mb", "memory_limit 10000000", "max_connections = 10".
// (Mosquitto takes the last of two values as well, but for listener lines.)
func Config(lines ...string) Option {
	return func(o *options) { o.config = append(o.config, lines...) }
}

// Users makes Mosquitto ask for a name and password, as an installation does,
// and take the name as the client id. Other servers ignore it.
func Users(passwords map[string]string) Option {
	return func(o *options) {
		if o.users == nil {
			o.users = map[string]string{}
		}
		maps.Copy(o.users, passwords)
	}
}
