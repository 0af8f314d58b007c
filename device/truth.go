package device

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// What is what a device did or suffered.
type What string

// What a truth log knows.
const (
	Connecting What = "connecting" // its socket is open, CONNECT is about to be sent
	Connected  What = "connected"  // CONNACK has come
	Announced  What = "announced"  // the PUBACK of its `connect` has come, with success
	Dropped    What = "dropped"    // we are about to close the socket, without DISCONNECT
	Lost       What = "lost"       // the connection has ended through no act of ours
	Muted      What = "muted"      // it sends no readings from now on
	Unmuted    What = "unmuted"    // it sends readings again, those that it kept first
	Stopped    What = "stopped"    // we are about to send DISCONNECT at the end of Run
)

// TruthEvent is one line of a truth log.
type TruthEvent struct {
	// Time is UTC, to the nanosecond.
	Time   time.Time `json:"time"`
	Device string    `json:"device"`
	What   What      `json:"what"`
}

// TruthLog remembers what a fleet's devices did, in the order in which they did
// it. Safe for concurrent use. A nil log forgets everything.
type TruthLog struct {
	mu     sync.Mutex // guards the rest
	out    io.Writer
	events []TruthEvent
	err    error
}

// NewTruthLog makes an empty log. Each event is also written to out, unless it is
// nil, as a line of JSON in one Write; devices wait for it, so it should be quick.
func NewTruthLog(out io.Writer) *TruthLog { return &TruthLog{out: out} }

// add takes the time inside the lock, so that no event is older than one before.
func (l *TruthLog) add(device string, what What) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	// Round drops the monotonic clock: an event equals itself read back.
	e := TruthEvent{Time: time.Now().UTC().Round(0), Device: device, What: what}
	l.events = append(l.events, e)
	if l.out == nil || l.err != nil {
		return
	}
	line, err := json.Marshal(e)
	if err == nil {
		_, err = l.out.Write(append(line, '\n'))
	}
	l.err = err
}

// Events returns a copy of all events so far.
func (l *TruthLog) Events() []TruthEvent {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events)
}

// Err returns the first error of writing. Nothing was written after it.
func (l *TruthLog) Err() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// ReadTruth reads the lines that a TruthLog wrote.
func ReadTruth(r io.Reader) ([]TruthEvent, error) {
	var events []TruthEvent
	for decoder := json.NewDecoder(r); ; {
		var e TruthEvent
		err := decoder.Decode(&e)
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return events, fmt.Errorf("truth log: event %d: %w", len(events)+1, err)
		}
		events = append(events, e)
	}
}
