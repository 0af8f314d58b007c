package redisq

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/rueidis"
)

// errWatchEnded: the connection of a watch ended without an error of its own.
var errWatchEnded = errors.New("connection closed")

// Watch implements sluice.Queue. It has a connection of its own.
func (q *Queue) Watch(ctx context.Context, wake func(queue string)) error {
	return q.receive(ctx, q.keys.hints(), func(m rueidis.PubSubMessage) { wake(m.Message) })
}

// receive calls got with what comes on a channel, until ctx ends.
func (q *Queue) receive(ctx context.Context, name string, got func(rueidis.PubSubMessage)) error {
	client, release := q.client.Dedicate()
	defer release()
	defer client.Close() // it is subscribed: not to be used again
	err := client.Receive(ctx, q.client.B().Subscribe().Channel(name).Build(), got)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		err = errWatchEnded
	}
	return fmt.Errorf("redis watch: %w", err)
}
