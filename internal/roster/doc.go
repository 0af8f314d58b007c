// Package roster is what a queue store that is written in Go knows of those who send:
// sessions of ingest, devices, clients of a front door. It is the memory of
// sluicetest.Queue and of liteq; the state machine of a device is sluice.Device.
//
// A store makes a step with its methods and then either commits it or rolls it back.
// Until then every table knows what the step changed, so that the store can write that
// down. A roster belongs to one goroutine at a time. Times are microseconds of the
// store's clock, those called presence times of that clock without its jumps.
package roster
