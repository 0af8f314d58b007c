// Package outagekit compares what was reported of devices with what they really did,
// for tests: a stub of the receivers of reports, a run of a fleet that drops and comes
// back on a schedule while faults happen, and the verdict on it.
package outagekit
