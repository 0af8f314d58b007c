package device

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Plan describes random drops. Devices, Count and Over are required.
type Plan struct {
	// Seed: the same plan gives the same drops.
	Seed uint64
	// Devices is how many there are.
	Devices int
	// Count is how many drops there are, beside those of flapping devices.
	Count int
	// Over is how long it takes until all have happened and all devices that come
	// back may do so.
	Over time.Duration
	// Delay is that of the devices' wills. Default DefaultDelay.
	Delay time.Duration

	// Inside, Near, After and Never are parts, to which drops are dealt exactly:
	// Inside:3 with Never:1 are three quarters and one. All 0: one part each.
	// Inside comes back more than Early before the deadline.
	Inside int
	// Near comes back at most Early before or Late after the deadline, half each.
	Near int
	// After comes back more than Late after the deadline, at most Longest.
	After int
	// Never does not come back. Nothing else happens to that device afterwards.
	Never int

	// Guard is the time before and after the deadline within which no device may
	// set out to come back, since it could be heard of on either side. Connecting
	// takes time: it should be more than the Guard of the Observer. Default 500 ms,
	// at most half of Early.
	Guard time.Duration
	// Early defaults to 2 s, at most half of Delay; Late to 3 s.
	Early, Late time.Duration
	// Longest is the longest absence that ends. Default Delay + 2 * Late.
	Longest time.Duration
	// Up is how long at least a device is left alone after it has come back.
	// Default 2 s.
	Up time.Duration

	// Flapping is how many devices drop FlapDrops times in a row, each time away
	// for Delay + Late and then Up. Default 0, FlapDrops 5.
	Flapping, FlapDrops int
}

func (p Plan) withDefaults() Plan {
	p.Delay = cmp.Or(p.Delay, DefaultDelay)
	if p.Inside == 0 && p.Near == 0 && p.After == 0 && p.Never == 0 {
		p.Inside, p.Near, p.After, p.Never = 1, 1, 1, 1
	}
	p.Early = cmp.Or(p.Early, min(2*time.Second, p.Delay/2))
	p.Late = cmp.Or(p.Late, 3*time.Second)
	p.Guard = cmp.Or(p.Guard, min(500*time.Millisecond, p.Early/2))
	p.Longest = cmp.Or(p.Longest, p.Delay+2*p.Late)
	p.Up = cmp.Or(p.Up, 2*time.Second)
	p.FlapDrops = cmp.Or(p.FlapDrops, 5)
	return p
}

func (p Plan) check() error {
	switch {
	case p.Devices < 1, p.Over <= 0:
		return errors.New("device: plan: devices and over are required")
	case min(p.Count, p.Inside, p.Near, p.After, p.Never, p.Flapping, p.FlapDrops) < 0:
		return errors.New("device: plan: a count or part is negative")
	case min(p.Delay, p.Guard, p.Up) < 0:
		return errors.New("device: plan: a time is negative")
	case p.Guard > p.Early, p.Early >= p.Delay:
		return fmt.Errorf("device: plan: early %v: use at least the guard, %v, and less than the delay, %v", p.Early, p.Guard, p.Delay)
	case p.Guard > p.Late:
		return fmt.Errorf("device: plan: late %v: use at least the guard, %v", p.Late, p.Guard)
	case p.Longest <= p.Delay+p.Late:
		return fmt.Errorf("device: plan: longest %v: use more than delay and late, %v", p.Longest, p.Delay+p.Late)
	}
	return nil
}

// RandomDrops makes the drops of a plan, in the order in which they happen. The
// absences of one device do not overlap. An error when the plan contradicts
// itself or has no room for its drops.
func RandomDrops(p Plan) ([]Drop, error) {
	p = p.withDefaults()
	if err := p.check(); err != nil {
		return nil, err
	}
	c := &calendar{
		rand:    rand.New(rand.NewPCG(p.Seed, 0)),
		over:    p.Over,
		up:      p.Up,
		engaged: make([][]span, p.Devices),
	}
	drops, err := c.flapping(p)
	if err != nil {
		return nil, err
	}
	for i, away := range p.aways(c.rand) {
		device, at, ok := c.book(away)
		if !ok {
			return nil, fmt.Errorf("device: plan: room for %d drops of %d; use more time or devices", i, p.Count)
		}
		drops = append(drops, Drop{Device: device, At: at, Away: away})
	}
	slices.SortStableFunc(drops, func(a, b Drop) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Device, b.Device))
	})
	return drops, nil
}

// aways returns the absences, the endless ones first: it is easier to find room
// before them than after others.
func (p Plan) aways(r *rand.Rand) []time.Duration {
	between := func(from, to time.Duration) time.Duration {
		return from + time.Duration(r.Int64N(int64(to-from)+1))
	}
	shares := []struct {
		parts int
		away  func(i int) time.Duration
	}{
		{p.Never, func(int) time.Duration { return 0 }},
		{p.After, func(int) time.Duration { return between(p.Delay+p.Late+1, p.Longest) }},
		{p.Near, func(i int) time.Duration {
			if i%2 == 0 {
				return between(p.Delay-p.Early, p.Delay-p.Guard)
			}
			return between(p.Delay+p.Guard, p.Delay+p.Late)
		}},
		{p.Inside, func(int) time.Duration { return between((p.Delay-p.Early)/50, p.Delay-p.Early-1) }},
	}
	total, dealt := p.Inside+p.Near+p.After+p.Never, 0
	var aways []time.Duration
	for _, s := range shares {
		dealt += s.parts
		// Rounding the sum so far, not each share, makes them add up.
		upTo := int(math.Round(float64(p.Count) * float64(dealt) / float64(total)))
		for i := range upTo - len(aways) {
			aways = append(aways, s.away(i))
		}
	}
	return aways
}

// calendar knows when each device is engaged.
type calendar struct {
	rand     *rand.Rand
	over, up time.Duration
	engaged  [][]span // by the device's number less 1
}

// span ends before to.
type span struct{ from, to time.Duration }

// flapping drops some devices again and again.
func (c *calendar) flapping(p Plan) ([]Drop, error) {
	away := p.Delay + p.Late
	var drops []Drop
	for range p.Flapping {
		device, at, ok := c.book(time.Duration(p.FlapDrops)*(away+p.Up) - p.Up)
		if !ok {
			return nil, errors.New("device: plan: no room for a flapping device; use more time or devices")
		}
		drops = append(drops, Flap(device, p.FlapDrops, at, away, p.Up)...)
	}
	return drops, nil
}

// book finds a random device and time for an absence, endless with 0, and engages
// the device; false when a thousand were taken.
func (c *calendar) book(away time.Duration) (device int, at time.Duration, ok bool) {
	if away > c.over {
		return 0, 0, false
	}
	for range 1000 {
		n := c.rand.IntN(len(c.engaged))
		at = time.Duration(c.rand.Int64N(int64(c.over-away) + 1))
		s := span{at, at + away + c.up}
		if away == 0 {
			s.to = math.MaxInt64
		}
		taken := func(other span) bool { return s.from < other.to && other.from < s.to }
		if !slices.ContainsFunc(c.engaged[n], taken) {
			c.engaged[n] = append(c.engaged[n], s)
			return n + 1, at, true
		}
	}
	return 0, 0, false
}
