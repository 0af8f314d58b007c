package redisq

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"sluice"
)

var _ sluice.DeviceStore = (*Queue)(nil)

// Damage that only a foreign program causes.
var (
	errReceipt = errors.New("damaged receipt of presence")
	errDevice  = errors.New("damaged record of a device")
)

// Clock implements sluice.DeviceStore.
func (q *Queue) Clock(ctx context.Context) (sluice.StoreClock, error) {
	reply, err := q.run(ctx, q.scripts.clock, []string{q.keys.presence()}, nil)
	if err != nil {
		return sluice.StoreClock{}, err
	}
	r := reader{reply: reply}
	c := sluice.StoreClock{Now: r.number(), Offset: r.number()}
	return c, r.fault("clock")
}

// SetOffset implements sluice.DeviceStore.
func (q *Queue) SetOffset(ctx context.Context, before, after int64) error {
	_, err := q.flag(ctx, q.scripts.offset, []string{q.keys.presence()}, []string{number(before), number(after)})
	return err
}

// Attend implements sluice.DeviceStore.
func (q *Queue) Attend(ctx context.Context, l sluice.Lease, seen int64) (sluice.Attendance, error) {
	r, err := q.fenced(ctx, q.scripts.attend,
		[]string{q.keys.session(l.Session), q.keys.attending(), q.keys.presence()},
		[]string{l.Token, l.Session, number(seen)})
	if err != nil {
		return sluice.Attendance{}, err
	}
	a := sluice.Attendance{CaughtUp: r.number(), BrokerSeen: r.number()}
	return a, r.fault("attend")
}

// Unheard implements sluice.DeviceStore.
func (q *Queue) Unheard(ctx context.Context, l sluice.Lease, until int64) error {
	ok, err := q.flag(ctx, q.scripts.unheard, []string{q.keys.session(l.Session), q.keys.presence()}, []string{l.Token, number(until)})
	if err == nil && !ok {
		err = sluice.ErrFenced
	}
	return err
}

// Due implements sluice.DeviceStore.
func (q *Queue) Due(ctx context.Context, l sluice.Lease, d sluice.DueRequest) (sluice.DueResult, error) {
	keys := append([]string{q.keys.session(l.Session)}, q.keys.fleet()...)
	keys = append(keys, q.keys.attending(), q.keys.store())
	args := append([]string{
		l.Token, number(d.Now), strconv.Itoa(d.Limit), flagArg(d.Events), q.keys.sessions(), q.keys.batches(), q.keys.hints(),
		sluice.QueueEvents, sluice.QueueDevices, micros(sluice.StormWindow),
	}, eventArgs(3*d.Limit)...) // a device may become steady and fall, another become steady
	args = append(args, micros(sluice.DoorHeld))
	r, err := q.fenced(ctx, q.scripts.due, append(keys, q.presenceQueues()...), args)
	if err != nil {
		return sluice.DueResult{}, err
	}
	result := sluice.DueResult{Fell: int(r.number()), Steadied: int(r.number()), Wait: r.number(), CaughtUp: r.number()}
	result.Receipt, result.Excused = r.presence(strings.Fields(r.text())), int(r.number())
	return result, r.fault("due")
}

// graceStep is at least how many devices a call of grace.lua looks at; a small
// hash comes whole.
const graceStep = 2000

// Grace implements sluice.DeviceStore.
func (q *Queue) Grace(ctx context.Context, l sluice.Lease, g sluice.GraceRequest, cursor string) (next string, receipt sluice.PresenceReceipt, err error) {
	keys := append([]string{q.keys.session(l.Session)}, q.keys.fleet()...)
	keys = append(keys, q.keys.store())
	args := append([]string{
		l.Token, cursor, number(g.Now), number(g.Until), number(g.Since), number(g.Started), flagArg(g.Events),
		q.keys.batches(), q.keys.hints(), sluice.QueueEvents, sluice.QueueDevices,
	}, eventArgs(graceStep)...)
	args = append(args, flagArg(g.Lost))
	r, err := q.fenced(ctx, q.scripts.grace, append(keys, q.presenceQueues()...), args)
	if err != nil {
		return "", receipt, err
	}
	next, receipt = r.text(), r.presence(strings.Fields(r.text()))
	return next, receipt, r.fault("grace")
}

// Devices implements sluice.DeviceStore.
func (q *Queue) Devices(ctx context.Context, cursor string) (page []sluice.Device, next string, err error) {
	from, err := strconv.ParseUint(orZero(cursor), 10, 64)
	if err != nil {
		return nil, "", err
	}
	entry, err := q.client.Do(ctx, q.client.B().Hscan().Key(q.keys.devices()).Cursor(from).Count(1000).Build()).AsScanEntry()
	if err != nil {
		return nil, "", err
	}
	r := reader{}
	for e := entry.Elements; len(e) > 1; e = e[2:] {
		page = append(page, r.device(e[0], e[1]))
	}
	if entry.Cursor != 0 {
		next = strconv.FormatUint(entry.Cursor, 10)
	}
	return page, next, r.fault("devices")
}

// Device implements sluice.DeviceStore.
func (q *Queue) Device(ctx context.Context, name string) (*sluice.Device, error) {
	found, err := q.client.Do(ctx, q.client.B().Hmget().Key(q.keys.devices()).Field(name).Build()).ToArray()
	if err != nil || len(found) != 1 || found[0].IsNil() {
		return nil, err
	}
	text, err := found[0].ToString()
	if err != nil {
		return nil, err
	}
	r := reader{}
	d := r.device(name, text)
	return &d, r.fault("device")
}

// ForgetDevice implements sluice.DeviceStore.
func (q *Queue) ForgetDevice(ctx context.Context, name string) (bool, error) {
	return q.flag(ctx, q.scripts.forgetDevice, q.operatorKeys(), q.operatorArgs(name))
}

// MuteDevice implements sluice.DeviceStore.
func (q *Queue) MuteDevice(ctx context.Context, name string, d time.Duration) (until int64, ok bool, err error) {
	args := append(q.operatorArgs(name), micros(max(d, 0)))
	until, err = q.scripts.muteDevice.lua.Exec(ctx, q.client, q.operatorKeys(), args).AsInt64()
	return max(until, 0), until >= 0, err
}

// CountDevices implements sluice.DeviceStore.
func (q *Queue) CountDevices(ctx context.Context) (sluice.PresenceCounts, error) {
	found, err := q.client.Do(ctx, q.client.B().Hmget().Key(q.keys.presence()).Field("up", "suspect", "down").Build()).ToArray()
	if err != nil {
		return sluice.PresenceCounts{}, err
	}
	r := reader{reply: found}
	c := sluice.PresenceCounts{Up: r.numberOrNil(), Suspect: r.numberOrNil(), Down: r.numberOrNil()}
	return c, r.fault("count devices")
}

func (q *Queue) operatorKeys() []string {
	return append(append(q.keys.fleet(), q.keys.store()), q.presenceQueues()...)
}

func (q *Queue) operatorArgs(name string) []string {
	return append([]string{name, q.keys.batches(), q.keys.hints(), sluice.QueueEvents, sluice.QueueDevices}, eventArgs(1)...)
}

func (q *Queue) presenceQueues() []string {
	return append(q.keys.queue(sluice.QueueEvents), q.keys.queue(sluice.QueueDevices)...)
}

// moves lays the moves of a group out for append.lua; without any it is empty.
func (q *Queue) moves(g *sluice.Group, a *accounts) []string {
	if len(g.Moves) == 0 {
		return nil
	}
	index := len(a.list) + 1
	a.list = append(append(a.list, q.keys.fleet()...), q.presenceQueues()...)
	args := append([]string{strconv.Itoa(g.Presence.MaxDevices), flagArg(g.Presence.Events), sluice.QueueEvents, sluice.QueueDevices},
		eventArgs(2*len(g.Moves))...) // a device may come back and change again
	args = append(args, strconv.Itoa(index))
	for _, m := range g.Moves {
		value := m.Silent
		if m.Kind == sluice.MoveWill {
			value = m.Delay
		}
		args = append(args, string(m.Kind), m.Device, number(m.At), number(value))
	}
	return args
}

// messages is how many moves were messages of their own.
func messages(moves []sluice.Move) (n int) {
	for _, m := range moves {
		if m.Kind != sluice.MoveSeen {
			n++
		}
	}
	return n
}

// eventBytes bounds an event in bytes.
const eventBytes = 256

// eventArgs are the policy arguments of both queues of presence for at most n
// events each.
func eventArgs(n int) []string {
	return append(policyArgs(sluice.EventsPolicy(), n, eventBytes*int64(n)), policyArgs(sluice.DevicesPolicy(), n, eventBytes*int64(n))...)
}

// fenced runs a script that answers an empty array to an old token.
func (q *Queue) fenced(ctx context.Context, s script, keys, args []string) (*reader, error) {
	reply, err := q.run(ctx, s, keys, args)
	if err != nil {
		return nil, err
	}
	if len(reply) == 0 {
		return nil, sluice.ErrFenced
	}
	return &reader{reply: reply}, nil
}

// presenceFields is how many numbers a receipt of presence has.
const presenceFields = 7

func (r *reader) presence(fields []string) sluice.PresenceReceipt {
	if len(fields) != presenceFields {
		r.note(errReceipt)
		return sluice.PresenceReceipt{}
	}
	return sluice.PresenceReceipt{Events: r.part(fields), Devices: r.part(fields[3:]), Next: r.integer(fields[6])}
}

func (r *reader) numberOrNil() int64 {
	m := r.next()
	if m.IsNil() {
		return 0
	}
	n, err := m.AsInt64()
	if err != nil {
		r.note(err)
	}
	return n
}

// indexes reads numbers with spaces between them.
func (r *reader) indexes() []int {
	var list []int
	for f := range strings.FieldsSeq(r.text()) {
		list = append(list, int(r.integer(f)))
	}
	return list
}

// deviceFields is how many fields a device's record has.
const deviceFields = 16

// device reads a record (see scripts/lib_device.lua).
func (r *reader) device(name, record string) sluice.Device {
	f := strings.Fields(record)
	if len(f) != deviceFields {
		r.note(errDevice)
		return sluice.Device{Name: name}
	}
	d := sluice.Device{
		Name: name, State: sluice.DeviceState(f[0][0]), Due: cause(f[1]), DownCause: cause(f[2]),
		Flapping: f[3] == "1", DownMuted: f[4] == "1", Generation: r.integer(f[5]), Connected: r.integer(f[6]),
		Seen: r.integer(f[7]), Silent: r.integer(f[8]), Deadline: r.integer(f[9]), Lost: r.integer(f[10]),
		Down: r.integer(f[11]), Steady: r.integer(f[12]), Muted: r.integer(f[13]), Version: r.integer(f[14]),
	}
	if f[15] != "-" {
		for t := range strings.SplitSeq(f[15], ",") {
			d.Outages = append(d.Outages, r.integer(t))
		}
	}
	return d
}

// cause reads a letter; "-" is none.
func cause(s string) sluice.Cause {
	if s == "-" {
		return sluice.CauseNone
	}
	return sluice.Cause(s[0])
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

func flagArg(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func orZero(cursor string) string {
	if cursor == "" {
		return "0"
	}
	return cursor
}
