package sluice

import (
	"encoding/binary"
	"fmt"
	"time"
)

// Frame is a run of messages of one queue in the form in which queues store
// them: records laid end to end. A queue may cut a frame between any two
// records and join frames freely; the bytes of a record never change.
//
// One record, all numbers big endian:
//
//	0  uint32  payload length
//	4  uint16  topic length
//	6  int64   received, Unix microseconds
//	14 topic, then payload
//
// A frame per read instead of a value per message is what makes a message cost
// the store a tenth of a microsecond: the count and the payload bytes travel
// beside it, so a queue walks the records only where a batch boundary cuts one.
type Frame struct {
	// Data holds Count records.
	Data []byte
	// Count is the number of messages.
	Count int
	// Bytes is the sum of the payload lengths, the measure of Policy.MaxBytes.
	Bytes int64
}

// FrameHeader is the length in bytes of a record's fixed part.
const FrameHeader = 14

// Append adds one message. Topic and payload are copied. The caller has checked
// the lengths: topic at most MaxTopic, payload below 4 GiB.
func (f *Frame) Append(topic, payload []byte, received int64) {
	d := binary.BigEndian.AppendUint32(f.Data, uint32(len(payload)))
	d = binary.BigEndian.AppendUint16(d, uint16(len(topic)))
	d = binary.BigEndian.AppendUint64(d, uint64(received))
	d = append(d, topic...)
	f.Data = append(d, payload...)
	f.Count++
	f.Bytes += int64(len(payload))
}

// Reset empties the frame and keeps its memory.
func (f *Frame) Reset() { *f = Frame{Data: f.Data[:0]} }

// record splits the first record off data.
func record(data []byte) (topic, payload []byte, received int64, rest []byte, ok bool) {
	if len(data) < FrameHeader {
		return nil, nil, 0, nil, false
	}
	n := uint64(binary.BigEndian.Uint32(data))
	t := uint64(binary.BigEndian.Uint16(data[4:]))
	received = int64(binary.BigEndian.Uint64(data[6:]))
	data = data[FrameHeader:]
	if uint64(len(data)) < n+t {
		return nil, nil, 0, nil, false
	}
	return data[:t:t], data[t : t+n : t+n], received, data[t+n:], true
}

// RecordSize returns the length in bytes of the first record of data and its
// payload length; ok is false when data does not begin with a whole record.
func RecordSize(data []byte) (size int, payload int, ok bool) {
	t, p, _, _, ok := record(data)
	return FrameHeader + len(t) + len(p), len(p), ok
}

// AppendMessages decodes frame data and appends its messages to dst. The
// payloads point into data. It fails only on damaged data, naming the offset.
func AppendMessages(dst []Message, data []byte) ([]Message, error) {
	total := len(data)
	last := ""
	for len(data) > 0 {
		topic, payload, received, rest, ok := record(data)
		if !ok {
			return dst, fmt.Errorf("frame damaged at byte %d of %d", total-len(data), total)
		}
		if last != string(topic) { // one allocation per run of equal topics
			last = string(topic)
		}
		dst = append(dst, Message{Topic: last, Payload: payload, Received: time.UnixMicro(received)})
		data = rest
	}
	return dst, nil
}
