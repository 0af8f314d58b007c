package device

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/eclipse/paho.golang/paho"
	"google.golang.org/protobuf/proto"

	"sluice/gen/msg"
)

const (
	// connectWithin bounds dialling, TLS and the MQTT handshake together.
	connectWithin = 10 * time.Second
	// grace is how long a device may go on sending what it keeps after the end.
	grace = 2 * time.Second
)

var (
	errLost = errors.New("connection lost")
	// errRefused: the broker answered a PUBLISH with anything but success.
	errRefused = errors.New("publish refused")
	errCut     = errors.New("line cut")
	// errMute: the device must not send its readings now.
	errMute = errors.New("mute")
)

// newBackoff gives the delays between attempts to reach the broker: about 0.5 s,
// growing to about 30 s, each with a jitter of a half.
func newBackoff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = 500*time.Millisecond, 30*time.Second
	return b
}

// stayConnected connects again and again until ctx ends.
func (d *device) stayConnected(ctx context.Context) {
	delays := newBackoff()
	for d.line.awaitBack(ctx) {
		err := d.connection(ctx, delays)
		if ctx.Err() != nil {
			return
		}
		if d.line.wasCut() { // it was not the broker that failed
			delays.Reset()
			continue
		}
		delay := delays.NextBackOff()
		d.log.Debug("connection ended", "err", err, "delay", delay)
		d.line.pause(ctx, delay)
	}
}

// connection is the life of one connection.
func (d *device) connection(ctx context.Context, delays *backoff.ExponentialBackOff) error {
	attempt, hangUp := context.WithCancel(ctx)
	defer hangUp()
	if !d.line.begin(hangUp) {
		return errCut
	}
	sending, stop := d.withGrace(ctx)
	defer stop()
	client, err := d.connect(attempt, stop)
	if err != nil {
		d.line.ended("")
		return err
	}
	d.line.tell(Connected)
	err = d.announce(sending, client)
	if err == nil {
		delays.Reset()
		err = d.serve(ctx, sending, client)
	}
	d.leave(ctx, client)
	return err
}

// leave ends a connection that was made, unless that has happened already.
func (d *device) leave(ctx context.Context, client *paho.Client) {
	why := Lost
	if ctx.Err() != nil {
		if d.cfg.Unclean {
			d.line.cut(0)
		}
		why = Stopped
	}
	if d.line.ended(why) {
		// An error of DISCONNECT only says that the connection is gone already.
		_ = client.Disconnect(&paho.Disconnect{})
	}
	<-client.Done()
}

// connect dials and shakes hands; at most maxDials devices do so at once. onClose
// is called when the connection is closed, for whatever reason.
func (d *device) connect(ctx context.Context, onClose func()) (*paho.Client, error) {
	select {
	case d.dials <- struct{}{}:
		defer func() { <-d.dials }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	packet, err := d.connectPacket()
	if err != nil {
		return nil, err
	}
	conn, err := dial(ctx, d.cfg, onClose)
	if err != nil {
		return nil, err
	}
	client := paho.NewClient(paho.ClientConfig{
		Conn:              conn,
		PacketTimeout:     d.cfg.AckTimeout,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){d.received},
	})
	if !d.line.opened(conn) {
		_ = conn.Close() // nothing was sent
		return nil, errCut
	}
	if _, err := client.Connect(ctx, packet); err != nil {
		_ = conn.Close() // the client did so, as a rule
		return nil, err
	}
	return client, nil
}

// connectPacket begins a clean session: the outbox, not the broker, remembers
// what is unfinished, and an old pulse is of no use.
func (d *device) connectPacket() (*paho.Connect, error) {
	will, err := proto.Marshal(&msg.LWT{Device: d.name, Delay: int64(d.cfg.Delay / time.Second)})
	if err != nil {
		return nil, err
	}
	receiveMaximum := uint16(8) // the client makes a buffer of that many slots
	return &paho.Connect{
		ClientID:     d.name,
		CleanStart:   true,
		KeepAlive:    uint16(d.cfg.KeepAlive / time.Second),
		Username:     d.cfg.User,
		UsernameFlag: d.cfg.User != "",
		Password:     []byte(d.cfg.Password),
		PasswordFlag: d.cfg.Password != "",
		Properties:   &paho.ConnectProperties{ReceiveMaximum: &receiveMaximum},
		WillMessage:  &paho.WillMessage{Topic: d.cfg.topic(topicWill, d.name), QoS: 1, Payload: will},
	}, nil
}

// received is called by the client for every message.
func (d *device) received(p paho.PublishReceived) (bool, error) {
	if p.Packet.Topic == topicPulse {
		d.pulse()
	}
	return true, nil
}

// serve publishes what is in the outbox until ctx ends, or sending because the
// connection did.
func (d *device) serve(ctx, sending context.Context, client *paho.Client) error {
	d.counts.connects.Add(1)
	d.counts.connected.Add(1)
	defer d.counts.connected.Add(-1)
	refusals := newBackoff()
	for {
		var added <-chan struct{}
		var retry <-chan time.Time
		err := d.flush(sending, client)
		switch {
		case err == nil:
			refusals.Reset()
			added = d.outbox.added
		case errors.Is(err, errMute):
			retry = time.After(d.mute.left())
		case errors.Is(err, errRefused): // a new reading is no reason to try sooner
			retry = time.After(refusals.NextBackOff())
		default:
			return err
		}
		select {
		case <-ctx.Done():
			return d.flush(sending, client)
		case <-sending.Done():
			return errLost
		case <-added:
		case <-retry:
		case <-d.mute.changed:
		}
	}
}

// withGrace returns the context of everything that is sent: it outlives ctx by
// the grace, for a device that is to leave in order, and must also be ended with
// the connection, since the client would wait for a PUBACK to its timeout.
func (d *device) withGrace(ctx context.Context) (context.Context, func()) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if d.cfg.Unclean {
			cancel()
			return
		}
		time.AfterFunc(grace, cancel)
	})
	return longer, func() { stop(); cancel() }
}

// announce publishes the connect message and subscribes to the pulse.
func (d *device) announce(ctx context.Context, client *paho.Client) error {
	hello, err := proto.Marshal(&msg.Connect{Device: d.name})
	if err != nil {
		return err
	}
	err = publish(ctx, client, d.cfg.topic(topicConnect, d.name), hello)
	switch {
	case err == nil:
		d.line.tell(Announced)
	case errors.Is(err, errRefused):
		d.counts.refused.Add(1)
	default:
		return err
	}
	_, err = client.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{
		{Topic: topicPulse, QoS: 1, RetainHandling: 2},
	}})
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", topicPulse, err)
	}
	return nil
}

// flush publishes the outbox, one reading after the other, each until its
// PUBACK: their order stays, and a device has a reading a second at most. errMute
// when it may not send, and says so even if there is nothing to send.
func (d *device) flush(ctx context.Context, client *paho.Client) error {
	topic := d.cfg.topic(topicReading, d.name)
	for {
		if d.mustHush() {
			return errMute
		}
		p, before := d.outbox.oldest()
		if p == nil {
			return nil
		}
		if before > 0 {
			d.counts.resent.Add(1)
		}
		err := publish(ctx, client, topic, p.payload)
		if errors.Is(err, errRefused) {
			d.counts.refused.Add(1)
		}
		if err != nil {
			return err
		}
		if d.outbox.remove(p) {
			d.counts.acked.Add(1)
		}
	}
}

// mustHush tells whether the device is mute, and tells the truth when that has
// changed. Between the two events it sends no reading.
func (d *device) mustHush() bool {
	hush, what := d.mute.left() > 0, Unmuted
	if hush {
		what = Muted
	}
	if hush != d.hushed && d.line.tell(what) {
		d.hushed = hush
	}
	return hush
}

// publish returns when the broker has acknowledged a message with success.
func publish(ctx context.Context, client *paho.Client, topic string, payload []byte) error {
	answer, err := client.Publish(ctx, &paho.Publish{Topic: topic, QoS: 1, Payload: payload})
	if answer != nil && answer.ReasonCode != 0 {
		return fmt.Errorf("%w: reason code %#02x", errRefused, answer.ReasonCode)
	}
	return err
}
