package sluice

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Policy says when the open batch of a queue is sealed. In every field 0 means
// the default and a negative value means never.
//
// Age counts from the first message of the open batch, by the store's clock.
type Policy struct {
	// Max seals the open batch when it has this many messages; no batch ever
	// has more. Default 5000.
	Max int
	// MaxBytes seals the open batch before the message whose payload would take
	// it past this many payload bytes; a larger message is alone in its batch.
	// Default 8 MiB.
	MaxBytes int64
	// Min and Timeout together: seal when at least Min messages wait and the
	// oldest is Timeout old. Defaults 1 and 1 s. A negative Min never seals by
	// Timeout.
	Min     int
	Timeout time.Duration
	// Linger seals whatever waits when the oldest is this old, even below Min.
	// Default 10 x Timeout; never when Timeout is never.
	Linger time.Duration
}

// Defaults of Policy.
const (
	DefaultMax      = 5000
	DefaultMaxBytes = 8 << 20
	DefaultMin      = 1
	DefaultTimeout  = time.Second
)

// Never disables a field of a Policy.
const Never = -1

// Resolve replaces every 0 by its default and every negative value by Never.
func (p Policy) Resolve() Policy {
	p.Max = pick(p.Max, DefaultMax)
	p.MaxBytes = pick(p.MaxBytes, DefaultMaxBytes)
	p.Min = pick(p.Min, DefaultMin)
	p.Timeout = pick(p.Timeout, DefaultTimeout)
	linger := time.Duration(Never)
	if p.Timeout > 0 {
		linger = 10 * min(p.Timeout, math.MaxInt64/10)
	}
	p.Linger = pick(p.Linger, linger)
	return p
}

func pick[T int | int64 | time.Duration](v, unset T) T {
	switch {
	case v == 0:
		return unset
	case v < 0:
		return Never
	}
	return v
}

// Override returns p with every field that over sets (is not 0) taken from over.
func (p Policy) Override(over Policy) Policy {
	set(&p.Max, over.Max)
	set(&p.MaxBytes, over.MaxBytes)
	set(&p.Min, over.Min)
	set(&p.Timeout, over.Timeout)
	set(&p.Linger, over.Linger)
	return p
}

func set[T comparable](field *T, v T) {
	var zero T
	if v != zero {
		*field = v
	}
}

// Check reports a policy that can never work as written: Min above Max, Linger
// below Timeout, or no field that ever seals.
func (p Policy) Check() error {
	r := p.Resolve()
	var faults []error
	if r.Max > 0 && r.Min > r.Max {
		faults = append(faults, fmt.Errorf("min %d is above max %d: such a batch is sealed by max first", r.Min, r.Max))
	}
	if r.Linger > 0 && r.Timeout > 0 && r.Linger < r.Timeout {
		faults = append(faults, fmt.Errorf("linger %v is shorter than timeout %v: timeout would never act", r.Linger, r.Timeout))
	}
	if r.Max < 0 && r.MaxBytes < 0 && !r.aged() {
		faults = append(faults, errors.New("max, max_bytes, timeout and linger are all never: no batch would ever be sealed"))
	}
	return errors.Join(faults...)
}

// aged tells whether a resolved policy ever seals by age.
func (p Policy) aged() bool { return p.Linger > 0 || (p.Timeout > 0 && p.Min > 0) }

// Wait returns how long an open batch of count messages, the oldest of them age
// old, may still wait before it is sealed by age: 0 or less means now. ok is
// false when it is empty or never sealed by age. p must be resolved.
func (p Policy) Wait(count int, age time.Duration) (wait time.Duration, ok bool) {
	if count <= 0 {
		return 0, false
	}
	timed := p.Timeout > 0 && p.Min > 0 && count >= p.Min
	switch {
	case timed && (p.Linger <= 0 || p.Timeout <= p.Linger):
		return p.Timeout - age, true
	case p.Linger > 0:
		return p.Linger - age, true
	}
	return 0, false
}
