// Package config reads the one YAML file that all services share, puts the
// environment on top, and reports every fault of both in one run.
//
// The structs of this file are the table that drives everything else: strict
// decoding, defaults, limits, environment names, the printed configuration and
// the list of fields. A field has these tags:
//
//	key      its name in the file; an embedded struct has none and lends its fields
//	default  its value when nothing is given, written as in the file
//	min, max limits, inclusive, written as in the file
//	oneof    the words allowed, separated by spaces
//	schemes  the URL schemes allowed, separated by spaces
//	eg       an example, for the message that it is missing
//	is       words separated by commas:
//	         required  there is no default and the section is of no use without
//	         never     the word `never` is allowed and stored as sluice.Never
//	         size      bytes: an integer or 64KiB, 8MiB, 1GiB
//	         file      a file that must be readable
//	         path      a path; relative ones start at the folder of the file
//	         address   host:port to listen on, or off
//	         name      the rule for names of facilities, devices and receivers
//	         names     a list of such names
//	         prefix    the beginning of such a name
//
// A field of type Secret or URL can also be given as <key>_file, the path of a
// file that holds the value. To add a section, declare its struct here; rules
// between fields go into check.go and its text into example.yaml.
package config

import (
	"log/slog"
	"time"

	"sluice"
)

// Config is the effective configuration: file, environment and defaults. It is
// plain data; after Load nothing changes it.
type Config struct {
	// Facility names the site; every key and row bears it. Required; a letter or
	// digit, then letters, digits, dot, underscore or hyphen, 64 at most.
	Facility string `key:"facility" is:"required,name" eg:"plant-1"`
	// Broker is the MQTT broker that the devices of the facility use.
	Broker Broker `key:"broker"`
	// Listen makes the batch-router the front door to which devices connect, instead of
	// a broker: there is one of them. Clock, device and bench find the door at its first
	// address, or where the URL of Broker in their own configuration says.
	Listen Listen `key:"listen"`
	// Queue is where messages wait, durably, until they are handled.
	Queue Queue `key:"queue"`
	// Store is where rows go.
	Store Store `key:"store"`
	// Routes bind topics to sinks. Default: data/sensor and
	// data/sensor/{device} to the sink "sensor", if the program has it.
	Routes []Route `key:"routes"`
	// Presence says how it is known which devices are up.
	Presence Presence `key:"presence"`
	// Notify are the receivers of reports of outages; none is allowed. Default: one
	// of kind log.
	Notify []Notify `key:"notify"`
	// Dead limits what is kept of messages that can never be handled.
	Dead Dead `key:"dead"`
	// Gather is how long the router waits for more messages before it stores a
	// small group. 0 to 1 s, default 30 ms.
	Gather time.Duration `key:"gather" default:"30ms" min:"0s" max:"1s"`
	// API is where readers get rows, presence and outages.
	API API `key:"api"`
	// Clock is the pulse to all devices.
	Clock Clock `key:"clock"`
	// Device is the simulated fleet.
	Device Device `key:"device"`
	// Admin is the path of the Unix socket through which the sluice command talks
	// to the running router; at most 107 bytes. Default /run/sluice/admin.sock.
	Admin string `key:"admin" default:"/run/sluice/admin.sock" is:"path"`
	// Metrics are the addresses of each service's metrics and health pages.
	Metrics Metrics `key:"metrics"`
	// ShutdownTimeout is how long handlers may finish after SIGTERM. 10 ms to
	// 10 min, default 8 s.
	ShutdownTimeout time.Duration `key:"shutdown_timeout" default:"8s" min:"10ms" max:"10m"`
	// Debug is set by DEBUG=1 in the environment and by nothing else.
	Debug bool
}

// LogLevel returns slog.LevelDebug under DEBUG=1 and slog.LevelInfo otherwise.
func (c *Config) LogLevel() slog.Level {
	if c.Debug {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// Broker says how to reach the MQTT broker. After Load, User and Password also
// hold what was written inside the URL, and the URL holds neither.
type Broker struct {
	// URL is mqtt://host[:1883] or mqtts://host[:8883]. Required.
	URL URL `key:"url" schemes:"mqtt mqtts" is:"required" eg:"mqtt://broker:1883"`
	// User is the MQTT user name. Default none.
	User string `key:"user"`
	// Password is the MQTT password. Default none.
	Password Secret `key:"password"`
	// TLSFiles are for mqtts only.
	TLSFiles
	// ReceiveMaximum is how many messages the broker may send before it waits for
	// acknowledgements. 1 to 65535, default 2000.
	ReceiveMaximum int `key:"receive_maximum" default:"2000" min:"1" max:"65535"`
	// SessionExpiry is how long the broker keeps the router's session while the
	// router is away. 7 d to 49710 d, default 168h.
	SessionExpiry time.Duration `key:"session_expiry" default:"168h" min:"7d" max:"49710d"`
}

// Listen says how devices connect to the batch-router itself. Without Addresses it
// reads the broker.
type Listen struct {
	// Addresses to listen on. Default none.
	Addresses []ListenAddress `key:"addresses"`
	// Users is the file of user names and passwords, as mosquitto_passwd writes it.
	// Required unless all addresses are loopback ones or verify certificates.
	Users string `key:"users" is:"path"`
	// ACL is the file that says what each user may do, see mosquitto.conf(5). Default:
	// everything.
	ACL string `key:"acl" is:"path"`
	// UserIsClient makes the user name the client's id, whatever its CONNECT says, so
	// that no user takes over the session of another. Default false.
	UserIsClient bool `key:"user_is_client" default:"false"`
	// MaxConnections is how many connections one process holds. 1 to 1000000, default
	// 100000.
	MaxConnections int `key:"max_connections" default:"100000" min:"1" max:"1000000"`
	// MaxClients is how many clients may be known, connected or not. 1 to 10000000,
	// default 1000000.
	MaxClients int `key:"max_clients" default:"1000000" min:"1" max:"10000000"`
	// ConnectRate is how many connections a second one address may open, and twice as
	// many at once. 1 or more, default 5000.
	ConnectRate int `key:"connect_rate" default:"5000" min:"1" max:"1000000"`
	// ReceiveMaximum is how many messages a client may send before it waits for
	// acknowledgements. 1 to 65535, default 1000.
	ReceiveMaximum int `key:"receive_maximum" default:"1000" min:"1" max:"65535"`
	// MaxKeepAlive bounds the keepalive of MQTT 5 clients, and is that of clients that
	// ask for none. 1 s to 18 h, default 1 h.
	MaxKeepAlive time.Duration `key:"max_keepalive" default:"1h" min:"1s" max:"18h"`
	// SessionExpiry is how long the session of a client outlives its connection, at
	// most. 1 s to 49710 d, default 168h.
	SessionExpiry time.Duration `key:"session_expiry" default:"168h" min:"1s" max:"49710d"`
	// SubscriberQueue is of each client that subscribes.
	SubscriberQueue SubscriberQueue `key:"subscriber_queue"`
}

// SubscriberQueue bounds what waits for a subscriber that is slow.
type SubscriberQueue struct {
	// Messages that wait at most. 1 to 100000, default 100.
	Messages int `key:"messages" default:"100" min:"1" max:"100000"`
	// Bytes that they have at most. 1 KiB to 64 MiB, default 256 KiB.
	Bytes int `key:"bytes" default:"256KiB" min:"1KiB" max:"64MiB" is:"size"`
	// OnFull says what happens when more would wait: drop_oldest, or disconnect the
	// subscriber. Default drop_oldest.
	OnFull string `key:"on_full" default:"drop_oldest" oneof:"drop_oldest disconnect"`
}

// Given tells whether the batch-router is a front door.
func (l Listen) Given() bool { return len(l.Addresses) > 0 }

// ListenAddress is an address of the front door.
type ListenAddress struct {
	// Address is host:port. Required.
	Address string `key:"address" is:"required,address" eg:":8883"`
	// TLS may lack ClientCA. With it each client needs a certificate, and where Users is
	// given the password of its user, too; without Users the common name of the
	// certificate is the user. A certificate of a reader, sluice://client/<name>, is
	// refused. Required unless the host is a loopback address.
	TLS ServerTLSFiles `key:"tls"`
	// Insecure lets an address that other machines reach do without TLS: something
	// before it has taken it off. Default false.
	Insecure bool `key:"insecure" default:"false"`
}

// Queue says where messages wait.
type Queue struct {
	Redis Redis `key:"redis"`
}

// Redis says how to reach the queue's Redis or Valkey. After Load, User and
// Password also hold what was written inside the URL, and the URL holds neither.
type Redis struct {
	// URL is redis://host[:6379][/db] or rediss://, which is TLS. Required.
	URL URL `key:"url" schemes:"redis rediss" is:"required" eg:"redis://redis:6379"`
	// User is the ACL user. Default none, which is Redis's "default".
	User string `key:"user"`
	// Password is the ACL or AUTH password. Default none.
	Password Secret `key:"password"`
	// TLSFiles are for rediss only.
	TLSFiles
	// Profile is strict (refuse a server that is not durable) or fast (warn: up to
	// 2 s of messages may be lost). Default strict.
	Profile string `key:"profile" default:"strict" oneof:"strict fast"`
	// AssumeDurable skips the look at the server's settings, for managed servers
	// that do not show them. Default false.
	AssumeDurable bool `key:"assume_durable" default:"false"`
	// MaxBytes is the memory use at which appending is refused. Bytes; default 0,
	// which means 80 % of the server's maxmemory; otherwise 4 MiB or more.
	MaxBytes int64 `key:"max_bytes" default:"0" min:"0" is:"size"`
}

// Store says where rows go.
type Store struct {
	Postgres Postgres `key:"postgres"`
}

// Postgres says how to reach the database.
type Postgres struct {
	// URL is postgres://user@host[:5432]/database?options. Required.
	URL URL `key:"url" schemes:"postgres postgresql" is:"required" eg:"postgres://sluice@db/sluice"`
	// Password is put into the URL, so that the URL can be written in the open.
	// Default: the one in the URL.
	Password Secret `key:"password"`
	// TLSFiles become sslrootcert, sslcert and sslkey of the URL.
	TLSFiles
	// MaxConns is how many connections one service opens at most. 1 to 1000,
	// default 8.
	MaxConns int `key:"max_conns" default:"8" min:"1" max:"1000"`
}

// Route binds topics to a sink.
type Route struct {
	// Topics are filters (sluice.ParseFilter); the first names the queue. In the
	// file a string or a list. Required, without defaults.
	Topics []string `key:"topic" is:"required" eg:"data/sensor"`
	// Batch overrides the handler's own policy field by field.
	Batch Batch `key:"batch"`
	// Sink names a handler of the program. It may be empty only for a route whose
	// topic the program itself handles.
	Sink string `key:"sink"`
	// Concurrency is how many batches are handled at once. 1 to 1024, default 1,
	// which keeps first in, first out.
	Concurrency int `key:"concurrency" default:"1" min:"1" max:"1024"`
	// MaxPayload is the largest payload; a larger one is a dead letter. 1 B to
	// 256 MiB, default 60 KiB.
	MaxPayload int64 `key:"max_payload" default:"60KiB" min:"1" max:"256MiB" is:"size"`
	// SilentAfter is how long nothing may come of a device whose last message came
	// on this route before it counts as silent, which is an outage. 1 s to 7 d;
	// default 0, which means never. It needs a {device} in a topic, or the sink
	// "sensor", which knows the device from the payload.
	SilentAfter time.Duration `key:"silent_after" default:"0s" min:"0s" max:"7d" is:"never"`
}

// Batch is the batch policy of a route. A field that is not given is 0: the
// handler's own value, or else the default. `never` is sluice.Never.
type Batch struct {
	// Max seals a batch at this many messages. 1 or more, or never; default 5000.
	Max int `key:"max" min:"1" is:"never"`
	// MaxBytes seals a batch before the message that would exceed it. Bytes, 1 or
	// more, or never; default 8 MiB.
	MaxBytes int64 `key:"max_bytes" min:"1" is:"never,size"`
	// Min is how many messages must wait for Timeout to seal. 1 or more, or never;
	// default 1.
	Min int `key:"min" min:"1" is:"never"`
	// Timeout seals when Min messages wait and the oldest is this old. 1 ms or
	// more, or never; default 1 s.
	Timeout time.Duration `key:"timeout" min:"1ms" is:"never"`
	// Linger seals whatever waits when the oldest is this old. 1 ms or more, or
	// never; default 10 x Timeout.
	Linger time.Duration `key:"linger" min:"1ms" is:"never"`
}

// Policy returns b in the words of the root package.
func (b Batch) Policy() sluice.Policy {
	return sluice.Policy{Max: b.Max, MaxBytes: b.MaxBytes, Min: b.Min, Timeout: b.Timeout, Linger: b.Linger}
}

// Presence says how it is known which devices are up.
type Presence struct {
	// LWT false: presence and history are kept, nothing enters the queue lwt, so
	// nothing is reported. Default true.
	LWT bool `key:"lwt" default:"true"`
	// MinDelay and MaxDelay are limits that the delay of a last will is clamped to.
	// 1 s to 7 d, MinDelay at most MaxDelay; defaults 1 s and 168h.
	MinDelay time.Duration `key:"min_delay" default:"1s" min:"1s" max:"7d"`
	MaxDelay time.Duration `key:"max_delay" default:"168h" min:"1s" max:"7d"`
	// ReconnectGrace is how long devices have to come back after a restart of the
	// broker, and how long deadlines are held after a reconnect to a broker that
	// does not tell its uptime. 1 s to 1 h, default 120 s.
	ReconnectGrace time.Duration `key:"reconnect_grace" default:"120s" min:"1s" max:"1h"`
	// MaxDevices is how many devices may be known. 1 to 10000000, default 1000000.
	MaxDevices int `key:"max_devices" default:"1000000" min:"1" max:"10000000"`
}

// Notify is a receiver of reports of outages.
type Notify struct {
	// Kind is groupme, webhook or log. Required.
	Kind string `key:"kind" is:"required" oneof:"groupme webhook log" eg:"log"`
	// Name is unique among the receivers, a name like those of devices. Its reports
	// wait in the queue $notify/<name>: after a change of the name nobody sends
	// those that still wait under the old one. Default: the kind.
	Name string `key:"name" is:"name"`
	// BotID is the id of the bot; groupme only, and required there.
	BotID Secret `key:"bot_id"`
	// URL is where a webhook posts to, required there. For groupme the address that
	// the paths of its API follow, default https://api.groupme.com. Not for log.
	URL URL `key:"url" schemes:"http https"`
	// GroupWait is how long the first event of a report waits for others. 10 ms to
	// 5 min, default 500 ms.
	GroupWait time.Duration `key:"group_wait" default:"500ms" min:"10ms" max:"5m"`
	// Timeout is that of one request; log makes none. 100 ms to 5 min, default 10 s.
	Timeout time.Duration `key:"timeout" default:"10s" min:"100ms" max:"5m"`
}

// Dead limits the dead letters.
type Dead struct {
	// PerDevice is how many dead letters of one device are kept per hour; the rest
	// is counted. 1 or more, default 1000.
	PerDevice int `key:"per_device" default:"1000" min:"1"`
	// Keep is how long a dead letter is kept. 1 h or more, default 720h (30 d).
	Keep time.Duration `key:"keep" default:"720h" min:"1h"`
}

// API is where readers get rows, presence and outages.
type API struct {
	// GRPC is the address of the gRPC server, host:port. Without TLS its host must be
	// a loopback address, and everybody may read everything. Default
	// "127.0.0.1:3000".
	GRPC string `key:"grpc" default:"127.0.0.1:3000" is:"address"`
	// HTTP is the address of the HTTP server, host:port, under the same rule; ""
	// means off, in the file `off`. Default "127.0.0.1:3001".
	HTTP string `key:"http" default:"127.0.0.1:3001" is:"address"`
	// TLS has every gRPC client identify itself by a certificate, and every HTTP
	// client by one or as one of HTTPUsers.
	TLS ServerTLSFiles `key:"tls"`
	// Clients are those that may read, and what; for TLS only. Default none.
	Clients []Client `key:"clients"`
	// HTTPUsers are people who may read with a browser, and what; for TLS only.
	// Default none.
	HTTPUsers []HTTPUser `key:"http_users"`
	// MaxStreams is how many streams one client or user may have open. 1 or more,
	// default 100.
	MaxStreams int `key:"max_streams" default:"100" min:"1"`
	// SlowQuery is how long a statement may take before the log tells. 0 means that
	// it never tells; default 1 s.
	SlowQuery time.Duration `key:"slow_query" default:"1s" min:"0s"`
}

// HTTPUser is a person who reads with a browser, by HTTP basic authentication.
type HTTPUser struct {
	// Name is unique among the users, a name like those of devices. Required.
	Name string `key:"name" is:"required,name" eg:"anna"`
	// Password is at least 8 bytes. Required, here or as password_file.
	Password Secret `key:"password"`
	// Facilities are the names of those that the user may read. In the file a string
	// or a list. Required, without defaults.
	Facilities []string `key:"facilities" is:"required,names" eg:"plant-1"`
}

// Client is a reader of the API: the bearer of a certificate with the URI
// sluice://client/<name>.
type Client struct {
	// Name is unique among the clients, a name like those of devices. Required.
	Name string `key:"name" is:"required,name" eg:"analyst"`
	// Facilities are the names of those that it may read. In the file a string or a
	// list. Required, without defaults.
	Facilities []string `key:"facilities" is:"required,names" eg:"plant-1"`
}

// Clock is the pulse to all devices.
type Clock struct {
	// Interval is the time between two pulses. 10 ms or more, default 10 s.
	Interval time.Duration `key:"interval" default:"10s" min:"10ms"`
	// Jitter delays each pulse by a random time up to this. 0 to Interval,
	// default 0.
	Jitter time.Duration `key:"jitter" default:"0s" min:"0s"`
}

// Device is the simulated fleet.
type Device struct {
	// Count is how many devices there are. 1 to 100000, default 20.
	Count int `key:"count" default:"20" min:"1" max:"100000"`
	// Prefix begins their names; a number follows. At most 58 characters of those
	// allowed in names, default "device-".
	Prefix string `key:"prefix" default:"device-" is:"prefix"`
	// Passwords is a folder with a file per device, which has the device's name and
	// holds its password: then each logs in with its own name, and publishes on topics
	// that end in it. Default none: all log in with user and password of Broker.
	Passwords string `key:"passwords" is:"path"`
	// Interval is the time between two readings that no pulse asked for. Default
	// 0, which means that they only answer pulses.
	Interval time.Duration `key:"interval" default:"0s" min:"0s"`
	// Delay is how long after a device vanished it counts as down; its last will
	// says so, in whole seconds. 1 s to 7 d, default 30 s.
	Delay time.Duration `key:"delay" default:"30s" min:"1s" max:"7d"`
}

// Metrics are addresses to listen on, host:port; "" means off, in the file
// `off`. No two may share a port.
type Metrics struct {
	// BatchRouter defaults to ":9464".
	BatchRouter string `key:"batch_router" default:":9464" is:"address"`
	// API defaults to ":9465".
	API string `key:"api" default:":9465" is:"address"`
	// Clock defaults to ":9466".
	Clock string `key:"clock" default:":9466" is:"address"`
	// Device defaults to ":9467".
	Device string `key:"device" default:":9467" is:"address"`
}
