package sluice

import "time"

// Observer is told what a router does, to count it. Its methods are called from
// several goroutines and must return quickly.
type Observer interface {
	// Appended: a group is durable. The group is valid during the call.
	Appended(g *Group, took time.Duration)
	// Handled: a batch of n messages is complete, with its outcome, after its
	// handler ran for took.
	Handled(route string, n int, o Outcome, took time.Duration)
	// Retried: a batch failed and will be tried again.
	Retried(route string, err error)
	// Event: something happened to the ingest session.
	Event(e Event)
}

// Event is something that happens to the ingest session.
type Event string

// Events of ingest.
const (
	EventLeading      Event = "leading"       // connected and reading
	EventDisconnected Event = "disconnected"  // the session ended
	EventSessionLost  Event = "session_lost"  // the broker had forgotten the session
	EventAppendFailed Event = "append_failed" // an append is being retried
	EventFull         Event = "full"          // an append was refused for lack of memory
	EventUnrouted     Event = "unrouted"      // a message that no route wants
	EventPacketReuse  Event = "packet_reuse"  // the broker reuses packet ids early
)

type nobody struct{}

func (nobody) Appended(*Group, time.Duration)              {}
func (nobody) Handled(string, int, Outcome, time.Duration) {}
func (nobody) Retried(string, error)                       {}
func (nobody) Event(Event)                                 {}
