// Package groupme sends reports to a GroupMe group, as a bot of it.
package groupme

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sluice/notify"
)

// DefaultBase is where GroupMe's API is.
const DefaultBase = "https://api.groupme.com"

// maxText is GroupMe's limit of a message in characters.
const maxText = 1000

// Config of a receiver. Only BotID is required.
type Config struct {
	// BotID is the id of the bot. Who knows it can post.
	BotID notify.Secret
	// Base is the URL that the paths of the API follow, for tests and proxies.
	// Default DefaultBase.
	Base notify.Secret
	// Timeout of one request. Default notify.DefaultTimeout, 10 s.
	Timeout time.Duration
}

// Receiver is a notify.Sender. Safe for concurrent use.
type Receiver struct {
	url    notify.Secret
	botID  notify.Secret
	poster *notify.Poster
}

// New returns a receiver, or an error that says what is wrong with c.
func New(c Config) (*Receiver, error) {
	if c.BotID.IsZero() {
		return nil, errors.New("groupme: no id of a bot")
	}
	base := strings.TrimRight(cmp.Or(c.Base.Reveal(), DefaultBase), "/")
	r := &Receiver{url: notify.NewSecret(base + "/v3/bots/post"), botID: c.BotID, poster: notify.NewPoster(c.Timeout)}
	if err := notify.CheckURL(r.url); err != nil {
		return nil, fmt.Errorf("groupme: %w", err)
	}
	return r, nil
}

// Limit implements notify.Sender.
func (r *Receiver) Limit() int { return maxText }

// message is the body of a post.
type message struct {
	BotID string `json:"bot_id"`
	Text  string `json:"text"`
}

// Send implements notify.Sender.
func (r *Receiver) Send(ctx context.Context, p *notify.Part) error {
	return r.poster.Post(ctx, notify.Request{
		URL:  r.url,
		Key:  p.ID,
		Body: message{BotID: r.botID.Reveal(), Text: p.Text},
	})
}
