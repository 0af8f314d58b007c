package liteq

import (
	"context"
	"errors"
	"fmt"

	"sluice"
	"sluice/internal/litefile"
	"sluice/internal/roster"
)

// Append implements sluice.Queue. ErrFull also when the disk is full.
func (q *Queue) Append(ctx context.Context, g *sluice.Group) (receipt sluice.Receipt, err error) {
	letters, err := check(g)
	if err != nil {
		return receipt, err
	}
	err = q.grow(ctx, func(now int64) error {
		var repeated bool
		receipt, repeated, err = q.roster.Admit(g)
		if err != nil || repeated {
			return err
		}
		if err := q.roster.Fits(g); err != nil {
			return err
		}
		receipt, err = q.append(g, letters, now)
		return err
	})
	switch {
	case err == nil:
		return receipt, nil
	case litefile.IsFull(err):
		err = fmt.Errorf("%w: %w", sluice.ErrFull, err)
	}
	return sluice.Receipt{}, err
}

// check refuses a group that breaks a rule of the contract, and encodes its dead
// letters.
func check(g *sluice.Group) ([]letter, error) {
	for i := range g.Parts {
		if err := checkPart(&g.Parts[i]); err != nil {
			return nil, err
		}
	}
	if err := roster.CheckMoves(g.Moves); err != nil {
		return nil, err
	}
	return encodeDead(g.Dead)
}

// append takes in a group that was admitted.
func (q *Queue) append(g *sluice.Group, letters []letter, now int64) (r sluice.Receipt, err error) {
	before := q.totals.Get("").Bytes
	t := q.roster.Take(g, now)
	for i := range g.Parts {
		p := &g.Parts[i]
		r.Parts = append(r.Parts, q.push(p.Queue, p.Frame, p.Policy, now-max(g.Age, 0).Microseconds(), now))
	}
	for _, d := range g.Drops {
		f := q.fifo(d.Route)
		f.Account.Received += int64(d.Count)
		f.drop(d.Cause, d.Count)
	}
	for i := range g.Dead {
		q.fifo(g.Dead[i].Route).Account.Received++
	}
	r.Dead = q.bury(letters, now)
	if t != nil {
		if r.Presence, err = q.tell(t, g.Presence.Events, now); err != nil {
			return r, err
		}
	}
	if after := q.totals.Get("").Bytes; q.config.MaxBytes > 0 && after > before && after > q.config.MaxBytes {
		return r, fmt.Errorf("%w: %d of %d bytes are queued", sluice.ErrFull, before, q.config.MaxBytes)
	}
	q.roster.Taken(g, r)
	return r, nil
}

var errPolicy = errors.New("policy is not resolved")

// checkPart refuses a frame that is not what it says: once stored it could not be read.
func checkPart(p *sluice.Part) error {
	if p.Policy != p.Policy.Resolve() {
		return fmt.Errorf("queue %s: %w", p.Queue, errPolicy)
	}
	count, bytes, rest := 0, int64(0), p.Frame.Data
	for len(rest) > 0 {
		size, payload, ok := sluice.RecordSize(rest)
		if !ok {
			return fmt.Errorf("queue %s: frame damaged at byte %d of %d", p.Queue, len(p.Frame.Data)-len(rest), len(p.Frame.Data))
		}
		count, bytes, rest = count+1, bytes+int64(payload), rest[size:]
	}
	if count != p.Frame.Count || bytes != p.Frame.Bytes {
		return fmt.Errorf("queue %s: frame says %d messages, %d bytes; has %d, %d", p.Queue, p.Frame.Count, p.Frame.Bytes, count, bytes)
	}
	return nil
}

// Seal implements sluice.Queue.
func (q *Queue) Seal(ctx context.Context, queue string, p sluice.Policy) (r sluice.SealResult, err error) {
	if p != p.Resolve() {
		return r, errPolicy
	}
	err = q.step(ctx, func(now int64) error {
		f := q.fifos.Get(queue)
		if f == nil {
			return nil
		}
		if wait, ok := p.Wait(f.Count, f.age(now)); !ok || wait > 0 {
			r = sluice.SealResult{Open: f.Count, Age: f.age(now)}
			return nil
		}
		f = q.fifos.Edit(queue)
		q.seal(f, position{f.Frames, whole})
		q.pushed[queue], r.Sealed = true, true
		return nil
	})
	return r, err
}
