package api

import (
	"sync"

	"sluice/gen/sluicev1"
)

// eventStream writes server-sent events, whole ones at a time. Safe for concurrent
// use.
type eventStream struct {
	mu   sync.Mutex
	w    *patientWriter
	buf  []byte
	rows int64 // readings sent
}

// open begins the answer. id may be empty.
func (e *eventStream) open(id string) error {
	h := e.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // of a proxy
	e.mu.Lock()
	defer e.mu.Unlock()
	e.add("open", id, []byte("{}"))
	return e.flush()
}

// beat shows that the connection lives.
func (e *eventStream) beat() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.buf = append(e.buf, ":\n\n"...)
	return e.flush()
}

func (e *eventStream) changes(found []*change) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ch := range found {
		e.add(ch.kind, "", ch.data)
		if len(e.buf) > maxEventBuffer {
			if err := e.flush(); err != nil {
				return err
			}
		}
	}
	return e.flush()
}

// maxEventBuffer is about how many bytes are collected for one write.
const maxEventBuffer = 64 << 10

// place notes a new place without rows.
func (e *eventStream) place(token string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.buf = append(append(append(e.buf, "id: "...), token...), "\n\n"...)
	return e.flush()
}

// readings sends the rows of a chunk, each with the place behind it. token is that
// behind the last.
func (e *eventStream) readings(c *sluicev1.SensorChunk, token string) error {
	behind, err := parsePlace(token)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var row []byte
	for i, entry := range c.EntryId {
		behind[c.FacilityId] = entry
		row = appendJSON(row[:0], c, i)
		e.add(kindReading, behind.token(), row)
	}
	e.rows += int64(len(c.EntryId))
	return e.flush()
}

// add appends an event. data has no line break: it is JSON.
func (e *eventStream) add(kind, id string, data []byte) {
	e.buf = append(append(e.buf, "event: "...), kind...)
	if id != "" {
		e.buf = append(append(e.buf, "\nid: "...), id...)
	}
	e.buf = append(append(append(e.buf, "\ndata: "...), data...), "\n\n"...)
}

func (e *eventStream) flush() error {
	_, err := e.w.Write(e.buf)
	e.buf = e.buf[:0]
	if err == nil {
		err = e.w.FlushError()
	}
	return err
}
