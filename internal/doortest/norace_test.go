//go:build !race

package doortest

const raceEnabled = false
