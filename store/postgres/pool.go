package postgres

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	connectTimeout = 5 * time.Second
	// pingTimeout bounds the look at a connection that lay idle before it is used.
	pingTimeout = 5 * time.Second
)

// PoolOption changes the settings of a pool before it is made.
type PoolOption func(*pgxpool.Config)

// NewPool returns a pool of connections to the database at url
// (postgres://user:password@host:port/database?pool_max_conns=8, or key=value
// words). It opens none yet: a server that is down is an error of the first
// query. Close it when done.
//
// What url does not say gets a default by which neither side waits for ever for
// one that is gone: 5 s to connect; TCP keepalive on both sides, 25 s; and the
// server ends a session that idles for 60 s within a transaction, because it may
// hold the lock on a facility's entry counter. synchronous_commit is left as the
// server has it. The options come after the defaults.
//
// Each connection reads sslcert, sslkey and sslrootcert anew: files that were replaced
// count from the next one on, and one that cannot be used is its error. A connection is
// closed an hour after it was opened, once it is idle, or after pool_max_conn_lifetime
// of url.
func NewPool(ctx context.Context, url string, options ...PoolOption) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err) // pgx removes the password
	}
	if c.ConnConfig.ConnectTimeout == 0 {
		c.ConnConfig.ConnectTimeout = connectTimeout
	}
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3,
	}}
	c.ConnConfig.DialFunc = dialer.DialContext
	c.PingTimeout = pingTimeout
	c.BeforeConnect = func(_ context.Context, next *pgx.ConnConfig) error { return rereadTLS(url, next) }
	for name, value := range map[string]string{
		"application_name":                    "sluice",
		"idle_in_transaction_session_timeout": "60s",
		"tcp_keepalives_idle":                 "10",
		"tcp_keepalives_interval":             "5",
		"tcp_keepalives_count":                "3",
		"tcp_user_timeout":                    "30s",
	} {
		if _, set := c.ConnConfig.RuntimeParams[name]; !set {
			c.ConnConfig.RuntimeParams[name] = value
		}
	}
	for _, option := range options {
		option(c)
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return pool, nil
}

// rereadTLS has c use the certificates that the files of url hold now.
func rereadTLS(url string, c *pgx.ConnConfig) error {
	fresh, err := pgxpool.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("postgres: %w", err) // without the password, as in NewPool
	}
	c.TLSConfig, c.Fallbacks = fresh.ConnConfig.TLSConfig, fresh.ConnConfig.Fallbacks
	return nil
}
