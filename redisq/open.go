package redisq

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/rueidis"

	"sluice"
)

// Queue is a sluice.Queue on Redis. It is safe for concurrent use. Its calls
// share one connection, made anew when it broke, and are never repeated by
// itself: an error other than the named ones leaves the outcome unknown.
type Queue struct {
	client   rueidis.Client
	keys     keys
	config   Config
	maxBytes int64 // below 0: no limit
	scripts  scripts
}

var _ sluice.Queue = (*Queue)(nil)

// Open connects to Redis and checks it (see Check). Its error says what to do.
// Later outages are no concern of Open: each call fails until Redis is back.
func Open(ctx context.Context, c Config) (*Queue, error) {
	c, err := c.resolve()
	if err != nil {
		return nil, err
	}
	options, err := c.options()
	if err != nil {
		return nil, err
	}
	client, err := dial(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("redis at %s: %w; is it running, and are address, user and password right?", strings.Join(options.InitAddress, ", "), err)
	}
	q := &Queue{client: client, keys: newKeys(c.Facility), config: c, scripts: loadScripts()}
	server, err := q.check(ctx)
	if err != nil {
		client.Close()
		return nil, err
	}
	q.maxBytes = limit(c.MaxBytes, server.maxMemory)
	return q, nil
}

// dial connects within ctx; the client itself knows only its own timeout.
func dial(ctx context.Context, o rueidis.ClientOption) (rueidis.Client, error) {
	type dialed struct {
		client rueidis.Client
		err    error
	}
	done := make(chan dialed, 1) // so that a late answer has a place to go
	go func() {
		client, err := rueidis.NewClient(o)
		if err != nil && client != nil {
			client.Close()
		}
		done <- dialed{client, err}
	}()
	select {
	case d := <-done:
		return d.client, d.err
	case <-ctx.Done():
		go func() {
			if d := <-done; d.err == nil {
				d.client.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// limit is how many bytes may be queued: what the configuration says, else 80 %
// of the server's memory. The rest is room for lists, scripts and connections.
func limit(configured, maxMemory int64) int64 {
	switch {
	case configured != 0:
		return max(configured, -1)
	case maxMemory > 0:
		return maxMemory / 10 * 8
	}
	return -1
}

// Close ends the connections. Calls under way fail.
func (q *Queue) Close() { q.client.Close() }
