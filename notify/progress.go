package notify

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"io"

	"sluice"
)

// progress is how far the delivery of a report has come. It is kept as the note
// of the batch, so that every try sends the same text and no part twice. The
// texts are never changed, so copies may share them.
type progress struct {
	Batch sluice.BatchID `json:"batch"`
	// Sent parts have been accepted.
	Sent int `json:"sent"`
	// Rest are the texts of the parts that have not.
	Rest []string `json:"rest"`
}

func (p *progress) done() bool { return len(p.Rest) == 0 }

// part is the next to be sent.
func (p *progress) part(r *Report) *Part {
	return &Part{ID: partID(p.Batch.String(), p.Sent, p.Sent+len(p.Rest)), Text: p.Rest[0], Report: r}
}

// accepted moves on to the next part.
func (p *progress) accepted() { p.Sent, p.Rest = p.Sent+1, p.Rest[1:] }

const (
	// packAbove: a note is to be a few KiB; the text of a report with 200 devices is
	// 20, and shrinks to a fifth or less.
	packAbove = 2 << 10
	maxNote   = 4 << 20
	// packed is the first byte of a deflated note; JSON's is '{'.
	packed = 'z'
)

// note writes p for Batch.Keep: JSON, deflated when it is long.
func (p *progress) note() ([]byte, error) {
	plain, err := json.Marshal(p)
	if err != nil || len(plain) <= packAbove {
		return plain, err
	}
	b := bytes.NewBuffer([]byte{packed})
	w, err := flate.NewWriter(b, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// readNote reads the note of a batch; false when it is none, or another batch's.
func readNote(note []byte, batch sluice.BatchID) (p progress, ok bool) {
	if len(note) > 0 && note[0] == packed {
		plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(note[1:])), maxNote))
		if err != nil {
			return progress{}, false
		}
		note = plain
	}
	if json.Unmarshal(note, &p) != nil || p.Batch != batch || p.Sent < 0 || p.Sent+len(p.Rest) == 0 {
		return progress{}, false
	}
	return p, true
}
