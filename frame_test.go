package sluice

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFrame_RoundTrip(t *testing.T) {
	t.Parallel()
	tests := []struct {
		topic, payload string
		received       int64
	}{
		{"data/sensor", "payload", 1_763_000_000_123_456},
		{"data/sensor", "", 0},
		{"", "", -1},
		{"ä/€/😀", "\x00\xff\r\n", math.MaxInt64},
		{strings.Repeat("t", MaxTopic), strings.Repeat("p", MaxPayload), math.MinInt64},
		{"huge", strings.Repeat("p", 1<<20), 1},
	}
	var f Frame
	var want []Message
	size, bytes := 0, int64(0)
	for _, m := range tests {
		f.Append([]byte(m.topic), []byte(m.payload), m.received)
		want = append(want, Message{Topic: m.topic, Payload: []byte(m.payload), Received: time.UnixMicro(m.received)})
		size += FrameHeader + len(m.topic) + len(m.payload)
		bytes += int64(len(m.payload))
	}
	if f.Count != len(tests) || f.Bytes != bytes || len(f.Data) != size {
		t.Errorf("got count %d, bytes %d, length %d; want %d, %d, %d", f.Count, f.Bytes, len(f.Data), len(tests), bytes, size)
	}
	got, err := AppendMessages(nil, f.Data)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("got %d messages, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].Topic != want[i].Topic || string(got[i].Payload) != string(want[i].Payload) || !got[i].Received.Equal(want[i].Received) {
			t.Errorf("message %d differs", i)
		}
	}
}

// TestFrame_Format pins the bytes: queues hold frames of earlier versions.
func TestFrame_Format(t *testing.T) {
	t.Parallel()
	var f Frame
	f.Append([]byte("ab"), []byte("xyz"), 0x0102030405060708)
	want := []byte{0, 0, 0, 3, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 'a', 'b', 'x', 'y', 'z'}
	if !bytes.Equal(f.Data, want) {
		t.Errorf("got % x, want % x", f.Data, want)
	}
}

func TestFrame_CutBetweenRecords(t *testing.T) {
	t.Parallel()
	var f Frame
	for i := range 5 {
		f.Append([]byte("t"), fmt.Append(nil, i), int64(i))
	}
	whole, err := AppendMessages(nil, f.Data)
	if err != nil {
		t.Fatal(err)
	}
	var joined []Message
	for data := f.Data; len(data) > 0; {
		size, payload, ok := RecordSize(data)
		if !ok || payload != 1 {
			t.Fatalf("RecordSize: got size %d, payload %d, %v", size, payload, ok)
		}
		if joined, err = AppendMessages(joined, data[:size]); err != nil {
			t.Fatal(err)
		}
		data = data[size:]
	}
	if d := cmp.Diff(whole, joined); d != "" {
		t.Errorf("messages (-whole +cut):\n%s", d)
	}
}

func TestFrame_Reset_KeepsMemory(t *testing.T) {
	t.Parallel()
	var f Frame
	f.Append([]byte("t"), make([]byte, 100), 0)
	room := cap(f.Data)
	f.Reset()
	if f.Count != 0 || f.Bytes != 0 || len(f.Data) != 0 || cap(f.Data) != room {
		t.Errorf("got %d messages, %d bytes, length %d, room %d; want an empty frame with room %d", f.Count, f.Bytes, len(f.Data), cap(f.Data), room)
	}
}

func TestAppendMessages_Damaged(t *testing.T) {
	t.Parallel()
	var f Frame
	f.Append([]byte("topic"), []byte("first"), 1)
	first := len(f.Data)
	f.Append([]byte("topic"), []byte("second"), 2)
	for length := range len(f.Data) {
		got, err := AppendMessages(nil, f.Data[:length])
		whole := length == 0 || length == first
		if (err == nil) != whole {
			t.Errorf("first %d bytes: got error %v", length, err)
		}
		if (len(got) == 1) != (length >= first) {
			t.Errorf("first %d bytes: got %d messages", length, len(got))
		}
	}
	_, err := AppendMessages(nil, f.Data[:first+3])
	if want := fmt.Sprintf("frame damaged at byte %d of %d", first, first+3); err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}

func TestAppendMessages_PayloadsDoNotRunIntoEachOther(t *testing.T) {
	t.Parallel()
	var f Frame
	f.Append([]byte("t"), []byte("one"), 1)
	f.Append([]byte("t"), []byte("two"), 2)
	ms, err := AppendMessages(nil, f.Data)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(ms[0].Payload, "XXXXXXXXXXXXXXXXXXXX"...)
	if got := string(ms[1].Payload); got != "two" {
		t.Errorf("appending to the first payload changed the second to %q", got)
	}
}

func FuzzAppendMessages(f *testing.F) {
	var frame Frame
	frame.Append([]byte("data/sensor"), []byte("payload"), 1)
	frame.Append(nil, nil, -1)
	f.Add(frame.Data)
	f.Add(frame.Data[:20])
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		ms, err := AppendMessages(nil, data)
		var again Frame
		for _, m := range ms {
			size, payload, ok := RecordSize(data[len(again.Data):])
			if !ok || payload != len(m.Payload) || size != FrameHeader+len(m.Topic)+payload {
				t.Fatalf("RecordSize: got %d, %d, %v for topic %q, payload %q", size, payload, ok, m.Topic, m.Payload)
			}
			again.Append([]byte(m.Topic), m.Payload, m.Received.UnixMicro())
		}
		if !bytes.HasPrefix(data, again.Data) {
			t.Fatalf("decoded and encoded again: got % x, want % x", again.Data, data)
		}
		if whole := len(again.Data) == len(data); whole != (err == nil) {
			t.Fatalf("decoded %d of %d bytes with error %v", len(again.Data), len(data), err)
		}
		if _, _, ok := RecordSize(data[len(again.Data):]); ok {
			t.Fatal("RecordSize finds a record where AppendMessages finds none")
		}
	})
}

func BenchmarkAppendMessages(b *testing.B) {
	var f Frame
	for i := range 5000 {
		f.Append([]byte("data/sensor"), []byte("a reading of thirty-odd bytes....."), int64(i))
	}
	var ms []Message
	b.ReportAllocs()
	for b.Loop() {
		ms, _ = AppendMessages(ms[:0], f.Data)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(f.Count), "ns/msg")
}
