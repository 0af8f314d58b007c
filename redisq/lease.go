package redisq

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"time"

	"sluice"
)

// Lease implements sluice.Queue.
func (q *Queue) Lease(ctx context.Context, session, holder string, ttl time.Duration) (sluice.Lease, error) {
	reply, err := q.run(ctx, q.scripts.lease,
		[]string{q.keys.session(session), q.keys.record(session), q.keys.store()},
		[]string{holder, micros(ttl), randomHex()})
	if err != nil {
		return sluice.Lease{}, err
	}
	if len(reply) == 0 {
		return sluice.Lease{}, sluice.ErrHeld
	}
	r := reader{reply: reply}
	l := sluice.Lease{Session: session, Token: r.text()}
	l.Delivered = r.delivered(r.text())
	if packed := r.text(); packed != "" {
		r.note(json.Unmarshal([]byte(packed), &l.Filters))
	}
	return l, r.fault("lease")
}

// Subscribe implements sluice.Queue.
func (q *Queue) Subscribe(ctx context.Context, l sluice.Lease, filters []string) error {
	packed, err := json.Marshal(append([]string{}, filters...)) // [] for none, never null
	if err != nil {
		return err
	}
	ok, err := q.flag(ctx, q.scripts.subscribe, []string{q.keys.session(l.Session)}, []string{l.Token, string(packed)})
	return unless(ok, err, sluice.ErrFenced)
}

// Renew implements sluice.Queue.
func (q *Queue) Renew(ctx context.Context, l sluice.Lease, ttl time.Duration) error {
	ok, err := q.flag(ctx, q.scripts.renew, []string{q.keys.session(l.Session)}, []string{l.Token, micros(ttl)})
	return unless(ok, err, sluice.ErrFenced)
}

// Unlease implements sluice.Queue.
func (q *Queue) Unlease(ctx context.Context, l sluice.Lease) error {
	_, err := q.flag(ctx, q.scripts.unlease, []string{q.keys.session(l.Session)}, []string{l.Token})
	return err
}

// Forget implements sluice.Queue.
func (q *Queue) Forget(ctx context.Context, l sluice.Lease) error {
	ok, err := q.flag(ctx, q.scripts.forget, []string{q.keys.session(l.Session), q.keys.record(l.Session)}, []string{l.Token})
	return unless(ok, err, sluice.ErrFenced)
}

// unless is err, or refused when the script answered no.
func unless(ok bool, err, refused error) error {
	if err == nil && !ok {
		return refused
	}
	return err
}

// randomHex returns 128 random bits: nobody guesses or repeats them, also not
// after the store was wiped.
func randomHex() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
