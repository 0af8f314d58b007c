package app

import (
	"context"
	"errors"
	"net/http"
)

// vitals are those of `sluice up`: it is ready when devices may connect and every check
// holds, and alive while it answers on its admin socket.
func (u *Up) vitals() vitals {
	client := NewAdminClient(u.config.Admin)
	return vitals{
		ready: func(ctx context.Context) error {
			s, err := client.Status(ctx)
			if err != nil {
				return err
			}
			if err := notReady(s.Checks); err != nil || s.Leading {
				return err
			}
			return errors.New("the front door is not open")
		},
		alive: client.answers,
	}
}

// answers is nil if anything is answered: no server is asked for it.
func (c *AdminClient) answers(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://admin/livez", nil)
	if err != nil {
		return err
	}
	resp, err := c.client.Do(req)
	if err == nil {
		resp.Body.Close()
	}
	return err
}
