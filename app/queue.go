package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"sluice"
	"sluice/config"
	"sluice/redisq"
)

// queueStore is all that a router needs of the store of its queues.
type queueStore interface {
	sluice.Queue
	sluice.DeviceStore
	sluice.ClientStore
}

// openRedis waits until Redis answers. A server that would lose messages is refused. It
// returns nil without an error when ctx ended first.
func openRedis(ctx context.Context, conf *config.Config, log *slog.Logger) (*redisq.Queue, error) {
	c, err := redisConfig(conf, log)
	if err != nil {
		return nil, err
	}
	for told := false; ; told = true {
		queue, err := redisq.Open(ctx, c)
		if err == nil || errors.Is(err, redisq.ErrUnfit) {
			return queue, err
		}
		if !told && ctx.Err() == nil {
			log.Warn("waiting for the queue", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(time.Second):
		}
	}
}

func redisConfig(c *config.Config, log *slog.Logger) (redisq.Config, error) {
	r := c.Queue.Redis
	tlsConfig, err := r.TLS()
	return redisq.Config{
		URL: r.URL.Reveal(), User: r.User, Password: r.Password.Reveal(), TLS: tlsConfig,
		Facility: c.Facility, Profile: redisq.Profile(r.Profile), AssumeDurable: r.AssumeDurable,
		MaxBytes: r.MaxBytes, DeadPerDevice: c.Dead.PerDevice, Logger: log,
	}, err
}
