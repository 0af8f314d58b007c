package sluicetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"sluice"
)

// farOff is the presence time at which random histories of devices begin: the
// year 2100. No store's own clock is near it, so whatever a store makes of its
// clock can be told from what it makes of the times that it was given.
const farOff = int64(4_102_444_800_000_000)

// century is until after farOff.
const century = 100 * 365 * 24 * time.Hour

// act is one step of a random history.
type act struct {
	name    string
	session string
	stale   bool // under the lease before the current one

	// Of append.
	repeat, gap bool
	moves       []sluice.Move
	caughtUp    int64
	settings    sluice.PresenceSettings

	due    sluice.DueRequest
	grace  sluice.GraceRequest
	seen   int64 // of attend
	device string
	mute   time.Duration
	offset int64
}

// history makes the acts of a random history. It does not look at what they lead
// to, so that any two stores can be given the same ones.
type history struct {
	rnd     *rand.Rand
	now     int64
	devices []string
	limit   int  // of devices
	hectic  bool // devices come and go all the time
	until   int64
	held    map[string]bool // sessions
}

func newHistory(seed uint64) *history {
	h := &history{rnd: rand.New(rand.NewPCG(seed, 11)), now: farOff, held: map[string]bool{}}
	h.hectic = h.one(2)
	n := pick(h.rnd, 1, 3, 14) // with 14 there are storms
	for i := range n {
		h.devices = append(h.devices, fmt.Sprint("d", i))
	}
	if h.one(5) {
		h.limit = 1 + h.rnd.IntN(n)
	}
	return h
}

// one is true one time in n.
func (h *history) one(n int) bool { return h.rnd.IntN(n) == 0 }

// begin has the acts that every history begins with.
func (h *history) begin() []act {
	h.held["one"], h.held["idle"] = true, true
	return []act{{name: "lease", session: "one"}, {name: "lease", session: "idle"}}
}

// next makes the next act; time passes before it.
func (h *history) next() act {
	h.now += h.span()
	a := act{session: pick(h.rnd, "one", "one", "one", "two"), stale: h.one(100)}
	if !h.held[a.session] && !h.one(10) {
		if a.session = "one"; !h.held[a.session] || h.one(10) {
			h.lease(&a)
			return a
		}
	}
	switch n := h.rnd.IntN(100); {
	case n < 45:
		h.append(&a)
	case n < 50 && len(h.devices) > 10:
		h.storm(&a)
	case n < 85:
		h.due(&a)
	case n < 87 && !h.hectic, h.one(100):
		h.restart(&a)
	case n < 91:
		a.name, a.device, a.mute = "mute", h.device(), pick(h.rnd, 0, time.Hour, century)
	case n < 93 && !h.hectic:
		a.name, a.device = "forget", h.device()
	case n < 95:
		h.lease(&a)
	case n < 96:
		a.name, a.stale = "unlease", false
		h.held[a.session] = false
	case n < 99:
		a.name, a.seen = "attend", pick(h.rnd, 0, h.now-h.below(time.Hour))
	default:
		a.name, a.offset = "offset", h.around(4*time.Hour)
	}
	return a
}

func (h *history) lease(a *act) {
	a.name, a.stale = "lease", false
	a.session = pick(h.rnd, a.session, a.session, "two")
	h.held[a.session] = true
}

func (h *history) due(a *act) {
	a.name = "due"
	a.due = sluice.DueRequest{Now: h.now, Limit: pick(h.rnd, 1, 2, 1000, 1000, 1000), Events: !h.one(8)}
	if h.one(3) { // clocks of routers differ
		a.due.Now += h.around(2 * time.Second)
	}
}

// span is how long nothing happens.
func (h *history) span() int64 {
	switch n := h.rnd.IntN(100); {
	case n < 2:
		return h.below(25 * time.Minute)
	case n < 6 && !h.hectic:
		return h.below(2 * time.Minute)
	case n < 24:
		return h.below(20 * time.Second)
	case n < 40:
		return 0
	case len(h.devices) > 10: // a storm gathers for a second or two
		return h.below(800 * time.Millisecond)
	}
	return h.below(3 * time.Second)
}

// below is a time up to d in microseconds, around one from -d to d.
func (h *history) below(d time.Duration) int64  { return h.rnd.Int64N(d.Microseconds()) }
func (h *history) around(d time.Duration) int64 { return h.below(2*d) - d.Microseconds() }

func (h *history) device() string { return pick(h.rnd, h.devices...) }

func (h *history) append(a *act) {
	a.name = "append"
	a.repeat, a.gap = h.one(12), h.one(50)
	a.settings = sluice.PresenceSettings{MaxDevices: h.limit, Events: !h.one(8)}
	if h.one(12) {
		a.session = "idle" // feeds no presence
	}
	switch n := h.rnd.IntN(4); {
	case n < 2 && h.hectic: // the first device is about to flap
		m := h.move(h.devices[0])
		will := sluice.Move{Kind: sluice.MoveWill, Device: m.Device, At: m.At, Delay: 1_000_000}
		a.moves = append(a.moves, m, will)
	case n < 3 && h.hectic:
	default:
		for range h.rnd.IntN(7) {
			a.moves = append(a.moves, h.move(h.device()))
		}
	}
	if !h.one(4) {
		a.caughtUp = h.now - pick(h.rnd, 0, h.below(2*time.Second))
	}
}

func (h *history) move(device string) sluice.Move {
	m := sluice.Move{Device: device, At: h.now - h.below(3*time.Second)}
	n := h.rnd.IntN(10)
	if h.hectic { // more wills, and short ones
		n += 2
	}
	switch {
	case n < 3:
		m.Kind, m.Silent = sluice.MoveConnect, pick[int64](h.rnd, -1, 0, 20_000_001)
	case n < 6:
		m.Kind, m.Silent = sluice.MoveSeen, pick[int64](h.rnd, 0, 5_000_003, 60_000_000)
	case h.hectic || h.one(2):
		m.Kind, m.Delay = sluice.MoveWill, pick[int64](h.rnd, 0, 1_000_000, 3_000_000)
	default:
		m.Kind, m.Delay = sluice.MoveWill, h.below(time.Minute)
	}
	return m
}

// storm lets wills come of all devices within a moment.
func (h *history) storm(a *act) {
	h.append(a)
	a.moves = nil
	for _, device := range h.devices {
		a.moves = append(a.moves, sluice.Move{Kind: sluice.MoveWill, Device: device, At: h.now - h.below(time.Second), Delay: 1_000_000})
	}
	h.rnd.Shuffle(len(a.moves), func(i, j int) { a.moves[i], a.moves[j] = a.moves[j], a.moves[i] })
}

func (h *history) restart(a *act) {
	h.until = max(h.until, h.now) + 1 + h.below(2*time.Minute)
	a.name = "grace"
	a.grace = sluice.GraceRequest{Now: h.now, Until: h.until, Since: h.now - h.below(time.Minute), Started: h.now - h.below(time.Minute), Events: h.rnd.IntN(4) > 0, Lost: h.rnd.IntN(4) == 0}
}

func pick[T any](rnd *rand.Rand, of ...T) T { return of[rnd.IntN(len(of))] }

// String tells the act to who reads a failed test. Times of moves count from
// farOff.
func (a act) String() string {
	text := fmt.Sprintf("%s of %s, stale %v", a.name, a.session, a.stale)
	switch a.name {
	case "append":
		moves := slices.Clone(a.moves)
		for i := range moves {
			moves[i].At -= farOff
		}
		return fmt.Sprintf("%s, repeat %v, gap %v, caught up %d, %+v, moves %+v", text, a.repeat, a.gap, a.caughtUp, a.settings, moves)
	case "due":
		return fmt.Sprintf("%s, %+v", text, a.due)
	case "grace":
		return fmt.Sprintf("%s, %+v", text, a.grace)
	}
	return fmt.Sprintf("%s, device %s, mute %v, seen %d, offset %d", text, a.device, a.mute, a.seen, a.offset)
}
