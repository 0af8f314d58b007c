package device

import "time"

// Drop is one unclean exit of a device, or a time of silence.
type Drop struct {
	// Device is its number, from 1.
	Device int
	// At is when it happens, since Run began.
	At time.Duration
	// Away is how long it lasts; 0 or less: for ever.
	Away time.Duration
	// Mute: the device stays connected and sends no readings.
	Mute bool
}

// Flap drops a device n times in a row, first at a time since Run began: it is
// away, then up before the next drop.
func Flap(device, n int, at, away, up time.Duration) []Drop {
	drops := make([]Drop, n)
	for i := range drops {
		drops[i] = Drop{Device: device, At: at + time.Duration(i)*(away+up), Away: away}
	}
	return drops
}
