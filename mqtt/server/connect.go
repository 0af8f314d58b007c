package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"sluice"
	"sluice/mqtt/server/wire"
)

// refusal says why a CONNECT is refused.
type refusal struct {
	reason wire.Reason
	err    error
}

func (r *refusal) Error() string {
	if r.err == nil {
		return r.reason.String()
	}
	return r.reason.String() + ": " + r.err.Error()
}

func (r *refusal) Unwrap() error { return r.err }

// connect takes the CONNECT and answers it. An error: there is no connection.
func (c *connection) connect() error {
	deadline := time.Now().Add(c.session.config.ConnectTimeout)
	_ = c.stream.SetDeadline(deadline) // fails only as the reads will
	ctx, cancel := context.WithDeadline(c.session.ctx, deadline)
	defer cancel()
	if err := c.stream.handshake(ctx); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	m, err := c.firstPacket()
	if err == nil {
		err = c.certify(&m)
	}
	if err != nil {
		return c.refuse(m, err)
	}
	_ = c.stream.SetDeadline(time.Time{})
	return c.refuse(m, c.register(m, deadline))
}

// maxConnect is the largest CONNECT, in bytes: those who are not known yet shall not
// take more memory.
const maxConnect = 72 << 10

// firstPacket reads the CONNECT. Its buffer grows with what has come: many may come
// at once, and those who send nothing shall cost nothing.
func (c *connection) firstPacket() (m wire.Connect, err error) {
	for {
		p, size, err := wire.Split(c.rest, min(c.session.config.MaxPacket, maxConnect))
		switch {
		case err == nil && p.Type != wire.CONNECT:
			return m, wire.Unexpected(0, p.Type, true)
		case err == nil:
			m, err = wire.ParseConnect(p)
			c.rest = slices.Clone(c.rest[size:])
			return m, err
		case !errors.Is(err, wire.ErrShort):
			return m, err
		}
		if err := c.readSome(); err != nil {
			return m, err
		}
	}
}

// readSome appends what arrives to the rest, of TLS a record.
func (c *connection) readSome() error {
	step := 512
	if a := c.stream.ahead; a != nil {
		for !a.ready() {
			if _, err := a.more(nil); err != nil {
				return err
			}
		}
		step = max(step, a.size()) // one without content must not be read into nothing
	}
	c.rest = slices.Grow(c.rest, step)
	n, err := c.stream.Read(c.rest[len(c.rest):cap(c.rest)])
	c.rest = c.rest[:len(c.rest)+n]
	c.session.stats.bytesIn.Add(uint64(n))
	if n > 0 {
		return nil
	}
	return err
}

// refuse answers a CONNECT that err refuses, if there is an answer, and returns err.
func (c *connection) refuse(m wire.Connect, err error) error {
	if err == nil {
		return nil
	}
	why := wire.Success
	if broken, ok := errors.AsType[*wire.Error](err); ok {
		why = broken.Reason
	}
	if refused, ok := errors.AsType[*refusal](err); ok {
		why = refused.reason
	}
	if why == wire.Success || m.Version == 0 {
		return err
	}
	c.session.stats.connects[why].Add(1)
	c.session.refused(m, c.stream.RemoteAddr(), err)
	answer := wire.AppendConnack(nil, m.Version, wire.Connack{Reason: why, ReasonString: text(err), Limit: m.MaximumPacketSize})
	if c.checkSize(answer) == nil {
		c.out.send(answer)
	}
	return err
}

// checkSize refuses an answer that the client does not take. It cannot be left out, as
// a message can, so the connection ends [MQTT-3.1.2-24].
func (c *connection) checkSize(answer []byte) error {
	if c.packetLimit == 0 || len(answer) <= c.packetLimit {
		return nil
	}
	return &wire.Error{
		Reason: wire.PacketTooLarge, Statement: "MQTT-3.1.2-24",
		Text: fmt.Sprintf("the answer has %d bytes, the client takes %d", len(answer), c.packetLimit),
	}
}

// errLate refuses a CONNECT whose turn came too late: its client has given up, and may
// have a newer connection, which it must not take over.
var errLate = errors.New("too many CONNECTs at once")

// register judges a CONNECT, registers the connection and welcomes it.
func (c *connection) register(m wire.Connect, deadline time.Time) error {
	defer c.session.knocks.begin()()
	assigned, err := c.identify(&m)
	if err != nil {
		return err
	}
	if err := c.authenticate(&m); err != nil {
		return err
	}
	if err := c.checkWill(m.Will); err != nil {
		return err
	}
	answer := c.connack(&m, assigned)
	if err := c.checkSize(wire.AppendConnack(nil, c.version, answer)); err != nil {
		return err
	}
	defer c.session.turn(c.client)()
	if time.Now().After(deadline) {
		return &refusal{wire.ServerBusy, errLate}
	}
	registered, err := c.enroll(&m)
	if err != nil {
		return err
	}
	answer.SessionPresent = registered.Resumed
	c.welcome(registered, answer)
	return nil
}

// identify takes over who the client is, and how.
func (c *connection) identify(m *wire.Connect) (assigned string, err error) {
	c.version, c.client, c.user, c.will = m.Version, m.ClientID, m.User, m.Will
	c.packetLimit, c.receiveMaximum = int(m.MaximumPacketSize), m.ReceiveMaximum
	if m.HasAuthMethod {
		return "", &refusal{wire.BadAuthMethod, nil}
	}
	switch {
	case c.session.config.UserIsClient && m.User != "":
		c.client = m.User
	case c.client == "":
		c.client = "auto-" + rand.Text()
	}
	if len(c.client) > sluice.MaxClientID {
		return "", &refusal{wire.ClientIDNotValid, fmt.Errorf("%d bytes, at most %d", len(c.client), sluice.MaxClientID)}
	}
	if m.ClientID == "" {
		assigned = c.client
	}
	c.keep = c.session.expiry(m.SessionExpiry)
	return assigned, nil
}

// authenticate asks the access list. It waits for its turn: hashing takes half of the
// processors at most.
func (c *connection) authenticate(m *wire.Connect) error {
	doors := c.session.access
	c.generation = doors.Generation()
	c.judged = c.generation
	if !c.certified && !doors.Authenticate(m.User, m.Password) {
		return &refusal{wire.BadUserOrPassword, nil}
	}
	c.rights.Store(doors.Rights(c.user, c.client))
	return nil
}

// checkWill refuses a last will that could not be published.
func (c *connection) checkWill(w *wire.Will) error {
	switch {
	case w == nil:
		return nil
	case w.QoS > 1:
		return &refusal{wire.QoSNotSupported, errors.New("a will of QoS 2")}
	case w.Retain:
		return &refusal{wire.RetainNotSupported, errors.New("a retained will")}
	case !mayPublish(c.rights.Load(), []byte(w.Topic)):
		return &refusal{wire.NotAuthorized, fmt.Errorf("a will on topic %q", w.Topic)}
	}
	return nil
}

// enroll registers the connection.
func (c *connection) enroll(m *wire.Connect) (r sluice.Connected, err error) {
	config := c.session.config
	request := sluice.ConnectRequest{
		Client: c.client, CleanStart: m.CleanStart, Expiry: c.keep, At: config.Now(), Grace: config.Grace,
		MaxClients: config.MaxClients, Presence: config.Presence,
	}
	if m.Will != nil {
		if request.Will, err = config.Will(m.Will.Topic, m.Will.Payload); err != nil {
			request.Will = nil // it becomes a dead letter
		}
	}
	err = c.session.call(func(ctx context.Context) (err error) {
		r, err = config.Registry.Connect(ctx, c.session.lease, request)
		return err
	})
	switch {
	case errors.Is(err, sluice.ErrClientLimit):
		return r, &refusal{wire.QuotaExceeded, err}
	case err != nil:
		return r, &refusal{wire.ServerUnavailable, err}
	}
	return r, nil
}

// welcome puts the connection in the place of an older one and answers. From then on
// others write to it, too: the answer is laid before all that [MQTT-3.2.0-1].
func (c *connection) welcome(r sluice.Connected, answer wire.Connack) {
	c.number = r.Connection
	c.delivered = r.Delivered
	c.heard.Store(c.session.ticks.Load())
	c.out.begin(wire.AppendConnack(nil, c.version, answer))
	c.session.replace(c)
	c.resubscribe(r.Subscriptions)
	c.established.Store(true)
	c.session.stats.connects[wire.Success].Add(1)
	c.out.send(nil)
}

// begin has whatever is sent next begin with the answer.
func (o *output) begin(answer []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf = append(o.buf, answer...)
}

// connack is what the client is told when it is welcome.
func (c *connection) connack(m *wire.Connect, assigned string) wire.Connack {
	s := c.session
	a := wire.Connack{
		ReceiveMaximum: uint16(s.config.ReceiveMaximum), MaximumPacketSize: uint32(s.config.MaxPacket), AssignedClientID: assigned,
		NoQoS2: true, NoRetain: true, NoSubscriptionIDs: true, NoShared: true, Limit: m.MaximumPacketSize,
	}
	if keep := uint32(c.keep / time.Second); keep != m.SessionExpiry {
		a.HasSessionExpiry, a.SessionExpiry = true, keep
	}
	keepalive := s.keepalive(m)
	c.keepalive = ticksOf(keepalive)
	if keepalive != m.KeepAlive {
		a.HasServerKeepAlive, a.ServerKeepAlive = true, keepalive
	}
	return a
}

// expiry bounds the session expiry interval that a client asks for, in seconds.
func (s *session) expiry(seconds uint32) time.Duration {
	return min(time.Duration(seconds)*time.Second, s.config.SessionExpiry)
}

// keepalive is that of the connection, in seconds.
func (s *session) keepalive(m *wire.Connect) uint16 {
	most := uint16(s.config.MaxKeepAlive / time.Second)
	if m.Version != wire.V5 {
		return cmp.Or(m.KeepAlive, most)
	}
	return min(cmp.Or(m.KeepAlive, most), most)
}
