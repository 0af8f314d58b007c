// Package app puts the services together from their parts: one file per service,
// and beside them what all have in common: the body of a main, the log, metrics,
// health pages, the admin socket.
//
// A program with handlers of its own calls DefaultSinks, adds to it, and runs a
// BatchRouter with the result; see examples/door.
package app
