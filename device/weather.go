package device

import (
	"math"
	"math/rand/v2"
	"time"
)

// weather makes plausible readings for one device: the shape of a day, warmest
// at 15:00 UTC, under a slow random walk that always returns to its middle.
type weather struct {
	rand *rand.Rand
	// Offsets of the device's place from the fleet's mean, degC and %.
	tempOffset, rhOffset float64
	// State of the walks, degC and %.
	tempWalk, rhWalk float64
}

func newWeather(seed uint64, device int) *weather {
	r := rand.New(rand.NewPCG(seed, uint64(device)))
	return &weather{rand: r, tempOffset: 1.5 * r.NormFloat64(), rhOffset: 4 * r.NormFloat64()}
}

// at takes a step of the walks and returns temperature in degC, about -5 to 45,
// and relative humidity in %, 5 to 100, both to two decimals.
func (w *weather) at(t time.Time) (temp, rh float32) {
	w.tempWalk = 0.98*w.tempWalk + 0.08*w.rand.NormFloat64()
	w.rhWalk = 0.98*w.rhWalk + 0.3*w.rand.NormFloat64()
	day := daylight(t)
	temp = twoDecimals(20 + w.tempOffset + 5*day + w.tempWalk)
	rh = twoDecimals(min(max(55+w.rhOffset-12*day+w.rhWalk, 5), 100))
	return temp, rh
}

// daylight is a sine over the day: 1 at 15:00 UTC, -1 at 03:00.
func daylight(t time.Time) float64 {
	const day = 24 * 3600
	return math.Sin(2 * math.Pi * float64(t.Unix()%day-9*3600) / day)
}

func twoDecimals(v float64) float32 { return float32(math.Round(v*100) / 100) }
