package redisq

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"sluice"
)

// Append implements sluice.Queue.
func (q *Queue) Append(ctx context.Context, g *sluice.Group) (sluice.Receipt, error) {
	keys, args, err := q.group(g)
	if err != nil {
		return sluice.Receipt{}, err
	}
	reply, err := q.run(ctx, q.scripts.append, keys, args)
	if err != nil {
		if outOfMemory(err) {
			return sluice.Receipt{}, fmt.Errorf("%w: redis has reached its maxmemory", sluice.ErrFull)
		}
		return sluice.Receipt{}, err
	}
	r := reader{reply: reply}
	switch verdict := r.text(); verdict {
	case "ok", "repeated":
		receipt := r.receipt(len(g.Parts))
		receipt.Repeated = verdict == "repeated"
		return receipt, r.fault("append")
	case "fenced":
		return sluice.Receipt{}, sluice.ErrFenced
	case "full":
		return sluice.Receipt{}, fmt.Errorf("%w: %d of %d bytes are queued", sluice.ErrFull, r.number(), q.maxBytes)
	case "devices":
		return sluice.Receipt{}, &sluice.DeviceLimitError{Moves: r.indexes()}
	case "stale":
		return sluice.Receipt{}, &sluice.StaleClientsError{Clients: r.indexes()}
	case "gap":
		return sluice.Receipt{}, fmt.Errorf("redis append: group %d after group %s", g.Number, r.text())
	}
	r.note(errors.New("unknown reply"))
	return sluice.Receipt{}, r.fault("append")
}

// outOfMemory tells Redis' refusal of a write at maxmemory. It comes before the
// script's first write: nothing was stored.
func outOfMemory(err error) bool {
	var refusal *rueidis.RedisError
	return errors.As(err, &refusal) && strings.HasPrefix(refusal.Error(), "OOM ")
}

// receipt reads the numbers that append.lua describes.
func (r *reader) receipt(parts int) sluice.Receipt {
	fields := strings.Fields(r.text())
	if len(fields) != 3*(parts+1)+presenceFields {
		r.note(fmt.Errorf("receipt of %d numbers for %d parts", len(fields), parts))
		return sluice.Receipt{}
	}
	receipt := sluice.Receipt{Parts: make([]sluice.PartReceipt, parts), Dead: r.part(fields[3*parts:])}
	for i := range receipt.Parts {
		receipt.Parts[i] = r.part(fields[3*i:])
	}
	receipt.Presence = r.presence(fields[3*parts+3:])
	return receipt
}

func (r *reader) part(f []string) sluice.PartReceipt {
	return sluice.PartReceipt{
		Sealed: int(r.integer(f[0])),
		Open:   int(r.integer(f[1])),
		Age:    time.Duration(r.integer(f[2])) * time.Microsecond,
	}
}

// group lays a group out for append.lua. Frames are copied: the caller reuses
// their memory, and a call that was given up may still be written.
func (q *Queue) group(g *sluice.Group) (keys, args []string, err error) {
	if g.Number < 1 {
		return nil, nil, errors.New("redis append: groups are numbered from 1")
	}
	a := accounts{keys: q.keys, index: map[string]int{}}
	a.list = append(make([]string, 0, 6+3*len(g.Parts)), q.keys.session(g.Lease.Session), q.keys.record(g.Lease.Session), q.keys.store())
	size := 0
	parts := make([]string, 0, 7*len(g.Parts))
	for i := range g.Parts {
		p := &g.Parts[i]
		part, err := partArgs(p)
		if err != nil {
			return nil, nil, fmt.Errorf("append to %w", err)
		}
		size += len(p.Frame.Data)
		a.queue(p.Queue)
		parts = append(parts, part...)
	}
	if len(g.Dead) > 0 {
		a.queue(sluice.QueueDead)
	}
	counters := a.counters(g)
	var dead letters
	for i := range g.Dead {
		if err := dead.add(&g.Dead[i], a.of(g.Dead[i].Route)); err != nil {
			return nil, nil, err
		}
	}
	moves := q.moves(g, &a)
	clients, wills := q.groupClients(g, &a)
	size += dead.size + 2*eventBytes*len(g.Moves) // at most
	args = append(make([]string, 0, 17+len(parts)+len(counters)+len(dead.args)+6+len(moves)+len(clients)),
		g.Lease.Token, strconv.FormatUint(g.Number, 10), strconv.FormatInt(q.maxBytes, 10), strconv.Itoa(size),
		strconv.Itoa(g.Remember), packDelivered(g.Delivered), q.keys.batches(), q.keys.hints(), sluice.QueueDead,
		strconv.Itoa(len(g.Parts)), strconv.Itoa(len(counters)/3), strconv.Itoa(dead.count), micros(max(g.Age, 0)),
		strconv.Itoa(len(g.Moves)), strconv.FormatInt(g.CaughtUp, 10), strconv.Itoa(len(g.Clients)), strconv.Itoa(wills))
	args = append(args, parts...)
	args = append(args, counters...)
	args = q.deadArgs(args, &dead)
	args = append(args, moves...)
	return a.list, append(args, clients...), nil
}

// accounts gives every queue of a group its place in KEYS.
type accounts struct {
	keys  keys
	list  []string
	index map[string]int // of the state key, counted from 1
}

func (a *accounts) queue(queue string) {
	a.list = append(a.list, a.keys.queue(queue)...)
	a.index[queue] = len(a.list) - 2
}

func (a *accounts) of(queue string) int {
	i, ok := a.index[queue]
	if !ok {
		a.list = append(a.list, a.keys.state(queue))
		i = len(a.list)
		a.index[queue] = i
	}
	return i
}

// counters are the amounts of a group that depend on nothing in the store:
// everything refused or dropped at the door was received.
func (a *accounts) counters(g *sluice.Group) (args []string) {
	add := func(queue, field string, n int) {
		args = append(args, strconv.Itoa(a.of(queue)), field, strconv.Itoa(n))
	}
	for i := range g.Dead {
		add(g.Dead[i].Route, fieldReceived, 1)
	}
	for _, d := range g.Drops {
		add(d.Route, fieldReceived, d.Count)
		add(d.Route, fieldDropped+d.Cause, d.Count)
	}
	if n := messages(g.Moves); n > 0 {
		add(sluice.AccountPresence, fieldReceived, n)
		add(sluice.AccountPresence, fieldStored, n)
	}
	return args
}

// partArgs are a part as the scripts take it: queue, data, count, payload bytes,
// max, maxbytes, ids.
func partArgs(p *sluice.Part) ([]string, error) {
	if err := checkFrame(p.Frame); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Queue, err)
	}
	args := []string{p.Queue, string(p.Frame.Data), strconv.Itoa(p.Frame.Count), strconv.FormatInt(p.Frame.Bytes, 10)}
	return append(args, policyArgs(p.Policy, p.Frame.Count, p.Frame.Bytes)...), nil
}

// policyArgs are max, maxbytes and ids as the scripts' function push takes them.
func policyArgs(p sluice.Policy, count int, bytes int64) []string {
	var ids strings.Builder
	for range mostSeals(p, count, bytes) {
		ids.WriteString(sluice.NewBatchID().String())
	}
	return []string{strconv.Itoa(p.Max), strconv.FormatInt(p.MaxBytes, 10), ids.String()}
}

// mostSeals bounds how many batches a push of count messages with that many
// payload bytes can seal, whatever the open batch holds.
//
// By size: every seal at Max but the first closes a batch of Max messages of
// this push, the first closes one with at least one of them, so there are at most
// 1 + (count-1)/Max; one more if the open batch exceeds Max from the start,
// because the policy was changed.
//
// By bytes: such a seal comes before a message with which the batch would exceed
// MaxBytes. Sum batch and message over these seals: each byte of this push is
// counted at most twice, as part of the batch and as the message behind the one
// before. Only the first sum has bytes from earlier pushes too; the others are
// more than MaxBytes each and at most 2*bytes together, so there are at most
// 1 + 2*bytes/MaxBytes.
//
// Either way a seal leaves the open batch empty and an empty one is never
// sealed, so there is at most one in each of the count+1 gaps between messages.
func mostSeals(p sluice.Policy, count int, bytes int64) int {
	if count == 0 {
		return 0
	}
	n := int64(0)
	if p.Max > 0 {
		n += 2 + int64((count-1)/p.Max)
	}
	if p.MaxBytes > 0 {
		n += 1 + 2*bytes/p.MaxBytes
	}
	return int(min(n, int64(count)+1))
}

// checkFrame refuses a frame that is not what it says it is: once in the store
// it could never be read.
func checkFrame(f sluice.Frame) error {
	data, bytes := f.Data, int64(0)
	for range f.Count {
		size, payload, ok := sluice.RecordSize(data)
		if !ok {
			return errors.New("damaged frame")
		}
		data, bytes = data[size:], bytes+int64(payload)
	}
	if len(data) > 0 || bytes != f.Bytes {
		return fmt.Errorf("frame of %d messages says %d payload bytes, has %d, and %d bytes behind them", f.Count, f.Bytes, bytes, len(data))
	}
	return nil
}
