// Package sluicetest helps to test what is built on package sluice:
//
//   - Queue is a sluice.Queue and sluice.DeviceStore in memory, the reference for
//     every other one. It keeps time by time.Now, so it works in a
//     testing/synctest bubble.
//   - Faulty wraps any sluice.Queue and refuses calls or loses their answers.
//   - TestQueue and TestDevices are the conformance suites of sluice.Queue and
//     sluice.DeviceStore. An implementation calls them from its own tests.
//   - CompareDevices plays a random history of devices to two stores.
//   - Broker is a sluice.Source to which a test publishes.
//   - Batch, Message and TestHandler test handlers.
package sluicetest
