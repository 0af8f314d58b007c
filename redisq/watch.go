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
	client, release := q.client.Dedicate()
	defer release()
	defer client.Close() // it is subscribed: not to be used again
	channel := q.client.B().Subscribe().Channel(q.keys.hints()).Build()
	err := client.Receive(ctx, channel, func(m rueidis.PubSubMessage) { wake(m.Message) })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		err = errWatchEnded
	}
	return fmt.Errorf("redis watch: %w", err)
}
