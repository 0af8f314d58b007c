package server

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"time"

	"sluice"
	"sluice/mqtt/server/access"
)

// Config configures a Server. Every zero field has the stated default.
type Config struct {
	// Listeners are the addresses to listen on. At least one.
	Listeners []Listener
	// Registry has the clients of all replicas. Required.
	Registry sluice.ClientStore
	// Access says who may come in and do what. Nil: everybody may do everything, which
	// is for loopback only.
	Access *access.Access
	// Routed tells whether a route wants the messages of a topic. Nil: of every topic.
	// It is called from many goroutines.
	Routed func(topic string) bool
	// Will decodes a last will on the topics on which devices tell of themselves; nil
	// for one on another topic. One that cannot be decoded is accepted, and becomes a
	// dead letter when the connection ends. Nil: no topic tells of devices.
	Will func(topic string, payload []byte) (*sluice.ClientWill, error)
	// Sync is the topic of markers (see sluice.Attendant).
	Sync string
	// Now is the presence time. Nil: 0.
	Now func() int64
	// Grace is how long a device that reconnects has to be heard of. Default 120 s.
	Grace time.Duration
	// Presence is passed on to the registry.
	Presence sluice.PresenceSettings

	// MaxClients is how many clients the registry may know, connected or not.
	// Default 1 000 000.
	MaxClients int
	// MaxConnections is how many connections may be open; a further one is closed at
	// once. Default 100 000.
	MaxConnections int
	// Rate and Burst limit new connections per address (per /64 of IPv6): so many at
	// once, and so many a second. Defaults 5000 and 10 000, so that 10 000 devices behind
	// one address are back within 10 s. A further one is closed at once.
	Rate, Burst int
	// ConnectTimeout is how long a connection may take to send its CONNECT, the
	// handshake of TLS included. Default 10 s.
	ConnectTimeout time.Duration
	// CallTimeout bounds each call of the registry. Default 5 s.
	CallTimeout time.Duration

	// ReceiveMaximum is how many QoS 1 messages a client may have sent that are not
	// acknowledged, 1 to 65535. A v5 client that exceeds it is disconnected; of a 3.1.1
	// client no more is read meanwhile. Default 1000.
	ReceiveMaximum int
	// MaxPacket is the largest packet that a client may send, in bytes. Default 68 KiB.
	MaxPacket int
	// MaxKeepAlive bounds the keepalive of v5 clients, and is that of clients that ask
	// for none. A 3.1.1 client cannot be told, so what it asks for holds. 1 s to 65535 s,
	// default 1 h.
	MaxKeepAlive time.Duration
	// SessionExpiry is how long the session of a 3.1.1 client that is not clean outlives
	// its connection, and the most that a v5 client may ask for. Default 7 d.
	SessionExpiry time.Duration
	// UserIsClient: the user name is the client's name, whatever its CONNECT says, so
	// that nobody takes over the session of another user.
	UserIsClient bool

	// MaxQueued and MaxQueuedBytes bound the messages that wait for a subscriber who
	// is slow. Defaults 100 and 256 KiB.
	MaxQueued, MaxQueuedBytes int
	// OnFull says what happens when they do not suffice. Default DropOldest.
	OnFull OnFull

	// MaxInbox bounds the memory, in bytes, of what was read and not yet taken by the
	// engine, give or take a read per connection. Default 8 MiB.
	MaxInbox int
	// Gather is how long after the engine took messages the next few wait for company.
	// Default 0: they do not.
	Gather time.Duration

	// Logger default: none.
	Logger *slog.Logger
}

// Listener is an address to listen on.
type Listener struct {
	// Address is host:port; port 0 is any free one.
	Address string
	// TLS is nil for none. Where it verifies the certificates of clients, one of another
	// class than device or service is refused (sluice://<class>/<name>). If Access has a
	// password file CONNECT needs user and password, too; else the user is the common
	// name of the certificate.
	TLS *tls.Config
}

// OnFull is what happens to a subscriber whose queue is full.
type OnFull int

// The zero value drops the oldest message that waits.
const (
	DropOldest OnFull = iota
	// Disconnect ends the connection; its last will applies.
	Disconnect
)

func (c Config) withDefaults() Config {
	c.Grace = cmp.Or(c.Grace, 120*time.Second)
	c.MaxClients = cmp.Or(c.MaxClients, 1_000_000)
	c.MaxConnections = cmp.Or(c.MaxConnections, 100_000)
	c.Rate, c.Burst = cmp.Or(c.Rate, 5000), cmp.Or(c.Burst, 10_000)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 10*time.Second)
	c.CallTimeout = cmp.Or(c.CallTimeout, 5*time.Second)
	c.ReceiveMaximum = min(cmp.Or(c.ReceiveMaximum, 1000), 65535)
	c.MaxPacket = cmp.Or(c.MaxPacket, 68<<10)
	c.MaxKeepAlive = min(cmp.Or(c.MaxKeepAlive, time.Hour), 65535*time.Second)
	c.SessionExpiry = cmp.Or(c.SessionExpiry, 7*24*time.Hour)
	c.MaxQueued = cmp.Or(c.MaxQueued, 100)
	c.MaxQueuedBytes = cmp.Or(c.MaxQueuedBytes, 256<<10)
	c.MaxInbox = cmp.Or(c.MaxInbox, 8<<20)
	if c.Routed == nil {
		c.Routed = func(string) bool { return true }
	}
	if c.Will == nil {
		c.Will = func(string, []byte) (*sluice.ClientWill, error) { return nil, nil }
	}
	if c.Now == nil {
		c.Now = func() int64 { return 0 }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
