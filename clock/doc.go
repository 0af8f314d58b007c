// Package clock publishes the pulse: the empty message that asks every device
// for a reading. Halting the clock halts collection.
package clock
