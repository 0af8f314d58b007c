// Package sluicetest helps to test what is built on package sluice:
//
//   - Queue is a sluice.Queue in memory, the reference for every other one. It
//     keeps time by time.Now, so it works in a testing/synctest bubble.
//   - Faulty wraps any sluice.Queue and refuses calls or loses their answers.
//   - TestQueue is the conformance suite of sluice.Queue. An implementation
//     calls it from its own tests.
//   - Batch, Message and TestHandler test handlers.
package sluicetest
