package sluicetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"sluice"
)

// session is one stream of appends. It outlives its leases.
type session struct {
	leases  int // how many there have been
	filters []string
	holder  string
	token   string // "" when given up
	until   time.Time
	number  uint64 // of the token's last group
	receipt sluice.Receipt

	attends  string // the token under which it feeds presence
	door     bool   // of a front door
	caughtUp int64  // presence time

	delivered []sluice.Delivered
}

// remember appends to the redelivery record and keeps the newest.
func (s *session) remember(ds []sluice.Delivered, keep int) {
	s.delivered = append(s.delivered, ds...)
	if extra := len(s.delivered) - keep; extra > 0 {
		s.delivered = slices.Clone(s.delivered[extra:])
	}
}

// Lease implements sluice.Queue.
func (q *Queue) Lease(ctx context.Context, name, holder string, ttl time.Duration) (sluice.Lease, error) {
	if err := ctx.Err(); err != nil {
		return sluice.Lease{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.sessions[name]
	if s == nil {
		s = &session{}
		q.sessions[name] = s
	}
	now := q.now()
	if s.token != "" && s.holder != holder && now.Before(s.until) {
		return sluice.Lease{}, sluice.ErrHeld
	}
	s.leases++
	s.holder, s.until = holder, now.Add(ttl)
	s.token = fmt.Sprintf("%d-%s", s.leases, rand.Text())
	s.number, s.receipt = 0, sluice.Receipt{}
	return sluice.Lease{Session: name, Token: s.token, Filters: slices.Clone(s.filters), Delivered: slices.Clone(s.delivered)}, nil
}

// Renew implements sluice.Queue.
func (q *Queue) Renew(ctx context.Context, l sluice.Lease, ttl time.Duration) error {
	return q.withLease(ctx, l, func(s *session) { s.until = q.now().Add(ttl) })
}

// Unlease implements sluice.Queue.
func (q *Queue) Unlease(ctx context.Context, l sluice.Lease) error {
	err := q.withLease(ctx, l, func(s *session) { s.token, s.until = "", q.now() })
	if errors.Is(err, sluice.ErrFenced) {
		return nil
	}
	return err
}

// Forget implements sluice.Queue.
func (q *Queue) Forget(ctx context.Context, l sluice.Lease) error {
	return q.withLease(ctx, l, func(s *session) { s.delivered = nil })
}

// Subscribe implements sluice.Queue.
func (q *Queue) Subscribe(ctx context.Context, l sluice.Lease, filters []string) error {
	return q.withLease(ctx, l, func(s *session) { s.filters = append([]string{}, filters...) })
}

func (q *Queue) withLease(ctx context.Context, l sluice.Lease, step func(*session)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	s, err := q.leased(l)
	if err != nil {
		return err
	}
	step(s)
	return nil
}

// leased returns the session of a lease whose token is the current one.
func (q *Queue) leased(l sluice.Lease) (*session, error) {
	s := q.sessions[l.Session]
	if s == nil || l.Token == "" || s.token != l.Token {
		return nil, sluice.ErrFenced
	}
	return s, nil
}
