package redisq

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"sluice"
)

var _ sluice.ClientStore = (*Queue)(nil)

// errClient is damage that only a foreign program causes.
var errClient = errors.New("damaged record of a client")

// noDevice stands for a will that tells of no device: no device has that name.
const noDevice = "-"

// groupClients lays the clients of a group out for append.lua; without any, and
// without wills of clients, it is empty.
func (q *Queue) groupClients(g *sluice.Group, a *accounts) (args []string, wills int) {
	for i := range g.Moves {
		if g.Moves[i].Client != "" {
			wills++
		}
	}
	if len(g.Clients)+wills == 0 {
		return nil, 0
	}
	args = make([]string, 0, 2+4*len(g.Clients)+3*wills)
	args = append(args, strconv.Itoa(len(a.list)+1), q.keys.delivered())
	a.list = append(a.list, q.keys.clients())
	for i := range g.Clients {
		c := &g.Clients[i]
		newest := c.Delivered[max(len(c.Delivered)-sluice.ClientDelivered, 0):]
		args = append(args, c.Client, number(c.Connection), flagArg(c.Ended), packDelivered(newest))
	}
	for i := range g.Moves {
		if m := &g.Moves[i]; m.Client != "" {
			args = append(args, strconv.Itoa(i+1), m.Client, number(m.Connection))
		}
	}
	return args, wills
}

// EnterDoor implements sluice.ClientStore.
func (q *Queue) EnterDoor(ctx context.Context, l sluice.Lease) error {
	ok, err := q.flag(ctx, q.scripts.enterDoor, []string{q.keys.session(l.Session), q.keys.doors()}, []string{l.Token, l.Session})
	return unless(ok, err, sluice.ErrFenced)
}

// Doors implements sluice.ClientStore.
func (q *Queue) Doors(ctx context.Context) (doors []sluice.DoorSession, err error) {
	reply, err := q.run(ctx, q.scripts.doors, []string{q.keys.doors()}, []string{q.keys.sessions()})
	if err != nil {
		return nil, err
	}
	r := reader{reply: reply}
	now := r.number()
	for len(r.reply) > 0 {
		d := sluice.DoorSession{Session: r.text(), Token: r.text(), Expires: r.number()}
		d.Expired = d.Token == "" || d.Expires <= now
		doors = append(doors, d)
	}
	return doors, r.fault("doors")
}

// Connect implements sluice.ClientStore.
func (q *Queue) Connect(ctx context.Context, l sluice.Lease, c sluice.ConnectRequest) (sluice.Connected, error) {
	if err := checkClient(c.Client); err != nil {
		return sluice.Connected{}, err
	}
	w := sluice.ClientWill{Device: noDevice}
	if c.Will != nil {
		w = *c.Will
	}
	keys := append([]string{
		q.keys.session(l.Session), q.keys.store(), q.keys.clients(), q.keys.subscriptions(),
	}, q.keys.fleet()...)
	args := append([]string{
		l.Token, l.Session, c.Client, flagArg(c.CleanStart), micros(c.Expiry), w.Device, number(w.Delay), number(c.At), micros(c.Grace),
		strconv.Itoa(c.MaxClients), strconv.Itoa(c.Presence.MaxDevices), q.keys.batches(), q.keys.hints(), q.keys.broadcast(),
		sluice.QueueEvents, sluice.QueueDevices,
	}, eventArgs(2)...)
	args = append(args, q.keys.delivered())
	r, err := q.fenced(ctx, q.scripts.connect, append(keys, q.presenceQueues()...), args)
	if err != nil {
		return sluice.Connected{}, err
	}
	if r.text() == "limit" {
		return sluice.Connected{}, sluice.ErrClientLimit
	}
	return r.connected()
}

func (r *reader) connected() (sluice.Connected, error) {
	c := sluice.Connected{Connection: r.integer(r.text()), Resumed: r.text() == "1", Previous: r.text()}
	if s := r.text(); s != "" {
		c.Subscriptions = []byte(s)
	}
	c.Delivered = r.delivered(r.text())
	return c, r.fault("connect")
}

func checkClient(name string) error {
	if len(name) == 0 || len(name) > sluice.MaxClientID {
		return fmt.Errorf("a client's name of %d bytes: use 1 to %d", len(name), sluice.MaxClientID)
	}
	return nil
}

// SubscribeClient implements sluice.ClientStore.
func (q *Queue) SubscribeClient(ctx context.Context, l sluice.Lease, client string, connection int64, subscriptions []byte) error {
	if len(subscriptions) > sluice.MaxSubscriptions {
		return fmt.Errorf("subscriptions of %d bytes: use at most %d", len(subscriptions), sluice.MaxSubscriptions)
	}
	r, err := q.fenced(ctx, q.scripts.subscribeClient, []string{q.keys.session(l.Session), q.keys.clients(), q.keys.subscriptions()},
		[]string{l.Token, client, number(connection), string(subscriptions)})
	if err != nil {
		return err
	}
	return unless(r.number() == 1, r.fault("subscribe client"), sluice.ErrLost)
}

// Disconnect implements sluice.ClientStore.
func (q *Queue) Disconnect(ctx context.Context, l sluice.Lease, client string, connection int64, keep time.Duration, will bool) error {
	_, err := q.fenced(ctx, q.scripts.disconnect, []string{q.keys.session(l.Session), q.keys.clients()},
		[]string{l.Token, client, number(connection), micros(keep), flagArg(will)})
	return err
}

// inheritStep bounds the devices of a page of inherit.lua, which looks at about a
// thousand clients.
const inheritStep = 2000

// Inherit implements sluice.ClientStore.
func (q *Queue) Inherit(ctx context.Context, l sluice.Lease, i sluice.InheritRequest, cursor string) (next string, result sluice.Inherited, err error) {
	keys := append([]string{
		q.keys.session(l.Session), q.keys.session(i.Session), q.keys.record(i.Session), q.keys.doors(), q.keys.attending(),
		q.keys.store(), q.keys.clients(),
	}, q.keys.fleet()...)
	args := append([]string{
		l.Token, i.Session, i.Token, cursor, number(i.Now), micros(i.Grace), strconv.Itoa(i.Presence.MaxDevices),
		q.keys.batches(), q.keys.hints(), sluice.QueueEvents, sluice.QueueDevices,
	}, eventArgs(inheritStep)...)
	r, err := q.fenced(ctx, q.scripts.inherit, append(keys, q.presenceQueues()...), args)
	if err != nil {
		return "", result, err
	}
	if next = r.text(); next == "held" {
		return "", result, sluice.ErrHeld
	}
	result = sluice.Inherited{Clients: int(r.number()), Wills: int(r.number())}
	result.Receipt = r.presence(strings.Fields(r.text()))
	return next, result, r.fault("inherit")
}

// PruneClients implements sluice.ClientStore.
func (q *Queue) PruneClients(ctx context.Context, cursor string) (next string, removed int, err error) {
	reply, err := q.run(ctx, q.scripts.pruneClients, []string{q.keys.clients(), q.keys.subscriptions()},
		[]string{orZero(cursor), micros(sluice.ClientKept), q.keys.delivered()})
	if err != nil {
		return "", 0, err
	}
	r := reader{reply: reply}
	if next = r.text(); next == "0" {
		next = ""
	}
	return next, int(r.number()), r.fault("prune clients")
}

// Clients implements sluice.ClientStore.
func (q *Queue) Clients(ctx context.Context, cursor string) (page []sluice.Client, next string, err error) {
	from, err := strconv.ParseUint(orZero(cursor), 10, 64)
	if err != nil {
		return nil, "", err
	}
	entry, err := q.client.Do(ctx, q.client.B().Hscan().Key(q.keys.clients()).Cursor(from).Count(1000).Build()).AsScanEntry()
	if err != nil {
		return nil, "", err
	}
	r := reader{}
	for e := entry.Elements; len(e) > 1; e = e[2:] {
		page = append(page, r.client(e[0], e[1]))
	}
	if entry.Cursor != 0 {
		next = strconv.FormatUint(entry.Cursor, 10)
	}
	return page, next, r.fault("clients")
}

// CountClients implements sluice.ClientStore.
func (q *Queue) CountClients(ctx context.Context) (int, error) {
	n, err := q.client.Do(ctx, q.client.B().Hlen().Key(q.keys.clients()).Build()).AsInt64()
	return int(n), err
}

// clientFields is how many fields a client's record has.
const clientFields = 9

// client reads a record (see scripts/lib_client.lua).
func (r *reader) client(name, record string) sluice.Client {
	f := strings.SplitN(record, " ", clientFields)
	if len(f) != clientFields {
		r.note(errClient)
		return sluice.Client{Name: name}
	}
	c := sluice.Client{
		Name: name, Connection: r.integer(f[0]), Connected: r.integer(f[2]), Expires: r.integer(f[3]), Session: f[8],
	}
	if f[5] == "w" {
		c.Will = &sluice.ClientWill{Device: f[7], Delay: r.integer(f[6])}
	}
	return c
}
