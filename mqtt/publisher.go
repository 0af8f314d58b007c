package mqtt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
)

const (
	// publisherExpiry keeps the session of a Publisher over short outages, so
	// that a message in flight is sent again under its packet identifier.
	publisherExpiry = 60 * time.Second
	// publisherRetry is the longest wait between two attempts to connect.
	publisherRetry = 5 * time.Second
	// publisherAnswer is how long one PUBLISH waits for PUBACK before it is
	// sent again as a new one.
	publisherAnswer = 10 * time.Second
	// publisherPause lies between two attempts to publish a message: the library
	// refuses at once while it winds up a broken connection.
	publisherPause = 50 * time.Millisecond
	// publisherFarewell bounds the DISCONNECT of Close.
	publisherFarewell = 2 * time.Second
)

// Publisher sends messages to a broker and reconnects by itself. It is made for
// a few messages per second. Safe for concurrent use.
type Publisher struct {
	config Config
	url    *url.URL

	mu      sync.Mutex // guards what follows
	closed  bool
	up      bool                        // there has been a connection
	manager *autopaho.ConnectionManager // nil until the first Publish
	session context.Context             // ends when the broker has forgotten the session
	forget  context.CancelFunc
	refusal error // of the last attempt to connect, nil once connected
}

var errPublisherClosed = fmt.Errorf("publisher closed: %w", net.ErrClosed)

// Receipt is a broker's answer to a PUBLISH.
type Receipt struct {
	// NoSubscribers: the broker has accepted the message, but nobody is
	// subscribed to its topic. Always false with QoS 0 and with brokers that do
	// not tell.
	NoSubscribers bool
}

// NewPublisher checks the configuration. It connects nothing: the first Publish
// does, and from then on a connection is kept until Close.
func NewPublisher(c Config) (*Publisher, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	e, _ := c.endpoint() // checked
	u := &url.URL{Scheme: "mqtt", Host: e.address}
	if e.secure {
		u.Scheme, c.TLS = "mqtts", c.tlsConfig(e.host)
	}
	p := &Publisher{config: c, url: u}
	p.session, p.forget = context.WithCancel(context.Background())
	return p, nil
}

// Publish sends a message, not retained, and returns when the broker has
// answered it (QoS 1) or it has been written (QoS 0). It waits for a connection
// and repeats a QoS 1 message whose answer was lost, until ctx ends; so a
// message may arrive twice, and one whose ctx has ended may still arrive. A
// *ReasonError is the broker's refusal of this message and final.
func (p *Publisher) Publish(ctx context.Context, topic string, payload []byte, qos byte) (Receipt, error) {
	if qos > 1 {
		return Receipt{}, fmt.Errorf("mqtt: publish %s: QoS %d is not supported; use 0 or 1", topic, qos)
	}
	for {
		m, err := p.connection()
		if err == nil {
			err = cmp.Or(m.AwaitConnection(ctx), ctx.Err())
		}
		if err != nil {
			return Receipt{}, fmt.Errorf("mqtt: publish %s: %w", topic, p.explain(err))
		}
		receipt, again, err := p.attempt(ctx, m, &paho.Publish{Topic: topic, Payload: payload, QoS: qos})
		if !again || ctx.Err() != nil || pause(ctx, publisherPause) != nil {
			return receipt, err
		}
	}
}

// attempt publishes once. again tells that the outcome is unknown or nothing
// was sent, so that the message may be repeated.
func (p *Publisher) attempt(ctx context.Context, m *autopaho.ConnectionManager, msg *paho.Publish) (_ Receipt, again bool, _ error) {
	ctx, cancel := context.WithTimeout(ctx, publisherAnswer)
	defer cancel()
	// The library never answers what it dropped with a session.
	defer context.AfterFunc(p.current(), cancel)()
	answer, err := m.Publish(ctx, msg)
	switch {
	case answer != nil && answer.ReasonCode >= 0x80:
		e := &ReasonError{Packet: "PUBACK", Code: answer.ReasonCode}
		if answer.Properties != nil {
			e.Reason = answer.Properties.ReasonString
		}
		return Receipt{}, false, fmt.Errorf("mqtt: publish %s: %w", msg.Topic, e)
	case errors.Is(err, paho.ErrInvalidArguments):
		return Receipt{}, false, fmt.Errorf("mqtt: publish %s: %w", msg.Topic, err)
	case err != nil:
		p.config.Logger.Debug("publish is repeated", "topic", msg.Topic, "err", err)
		return Receipt{}, true, fmt.Errorf("mqtt: publish %s: no answer: %w", msg.Topic, err)
	}
	return Receipt{NoSubscribers: answer.ReasonCode == codeNoSubscribers}, false, nil
}

// Close disconnects and ends the reconnecting. Publish fails from then on, also
// where it is waiting. Calls after the first do nothing.
func (p *Publisher) Close() error {
	p.mu.Lock()
	m := p.manager
	p.closed, p.manager = true, nil
	p.forget()
	p.mu.Unlock()
	if m == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), publisherFarewell)
	defer cancel()
	return m.Disconnect(ctx)
}

// connection returns the manager, started by the first call.
func (p *Publisher) connection() (*autopaho.ConnectionManager, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errPublisherClosed
	}
	if p.manager != nil {
		return p.manager, nil
	}
	m, err := autopaho.NewConnection(context.Background(), p.settings())
	if err != nil {
		return nil, err
	}
	p.manager = m
	return m, nil
}

func (p *Publisher) settings() autopaho.ClientConfig {
	c := p.config
	backoff := autopaho.NewExponentialBackoff(100*time.Millisecond, publisherRetry, 500*time.Millisecond, 2)
	return autopaho.ClientConfig{
		ServerUrls:                    []*url.URL{p.url},
		TlsCfg:                        c.TLS,
		KeepAlive:                     uint16(c.KeepAlive / time.Second),
		CleanStartOnInitialConnection: true,
		SessionExpiryInterval:         uint32(publisherExpiry / time.Second),
		ConnectTimeout:                c.ConnectTimeout,
		ConnectUsername:               c.User,
		ConnectPassword:               []byte(c.Password),
		ReconnectBackoff: func(attempt int) time.Duration {
			if attempt == 0 {
				return 0
			}
			return backoff(attempt)
		},
		OnConnectionUp: p.connected,
		OnConnectError: p.refused,
		ClientConfig:   paho.ClientConfig{ClientID: c.ClientID, PacketTimeout: publisherAnswer},
	}
}

// connected is called at every connection.
func (p *Publisher) connected(_ *autopaho.ConnectionManager, ack *paho.Connack) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusal = nil
	// The library may let a Publish through before it calls this: at the first
	// connection it must not be taken for one that was dropped, and sent twice.
	first := !p.up
	p.up = true
	if first || ack.SessionPresent || p.closed {
		return
	}
	p.forget()
	p.session, p.forget = context.WithCancel(context.Background())
}

func (p *Publisher) refused(err error) {
	if refusal, ok := errors.AsType[*autopaho.ConnackError](err); ok {
		err = &ReasonError{Packet: "CONNACK", Code: refusal.ReasonCode, Reason: refusal.Reason}
	}
	p.mu.Lock()
	p.refusal = err
	p.mu.Unlock()
	p.config.Logger.Warn("publisher cannot connect", slog.Any("err", err))
}

// current returns the context of the session.
func (p *Publisher) current() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.session
}

// explain adds why there is no connection.
func (p *Publisher) explain(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return errPublisherClosed
	case p.refusal != nil:
		return fmt.Errorf("%w; last attempt to connect: %w", err, p.refusal)
	}
	return err
}
