package mqtt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/packets"
)

// chunks is a reader that returns its pieces one by one.
type chunks [][]byte

func (c *chunks) Read(p []byte) (int, error) {
	if len(*c) == 0 {
		return 0, io.EOF
	}
	n := copy(p, (*c)[0])
	if (*c)[0] = (*c)[0][n:]; len((*c)[0]) == 0 {
		*c = (*c)[1:]
	}
	return n, nil
}

// splitAll returns what a splitter makes of a stream, one line per packet and
// one for the error, if any.
func splitAll(pieces [][]byte, maxPayload int) string {
	var out strings.Builder
	in := &splitter{buf: make([]byte, 16), maxPayload: maxPayload} // it must grow
	from := chunks(pieces)
	for {
		if _, err := in.fill(&from); err != nil {
			return out.String()
		}
		for {
			p, ok, err := in.next()
			if err != nil {
				fmt.Fprintln(&out, err)
				return out.String()
			}
			if !ok {
				break
			}
			fmt.Fprintf(&out, "%02x %q cut=%t\n", p.header, p.body, p.cut)
		}
	}
}

func TestSplitter_SplitAnywhere_SamePackets(t *testing.T) {
	t.Parallel()
	var stream []byte
	stream = append(stream, packets.PINGRESP<<4, 0)
	stream = append(stream, publishPacket(2, "data/sensor", 1, "\x0B\x07", "hello")...)
	stream = append(stream, packets.DISCONNECT<<4, 0)
	stream = append(stream, publishPacket(0, "a", 0, "", strings.Repeat("x", 200))...) // length of two bytes
	stream = append(stream, packets.PUBACK<<4, 2, 0, 1)
	want := splitAll([][]byte{stream}, 0)
	if strings.Count(want, "\n") != 5 {
		t.Fatalf("got %s", want)
	}
	for i := range stream {
		for j := i; j < len(stream); j++ {
			if got := splitAll([][]byte{stream[:i], stream[i:j], stream[j:]}, 0); got != want {
				t.Fatalf("split at %d and %d: got %s, want %s", i, j, got, want)
			}
		}
	}
	single := make([][]byte, len(stream))
	for i := range stream {
		single[i] = stream[i : i+1]
	}
	if got := splitAll(single, 0); got != want {
		t.Errorf("byte by byte: got %s, want %s", got, want)
	}
}

func TestSplitter_LongPayload_IsCut(t *testing.T) {
	t.Parallel()
	const most = 1000
	payload := strings.Repeat("0123456789", 200_000)
	long := publishPacket(2, "a", 1, "", payload)
	stream := append(long, publishPacket(2, "b", 2, "", "next")...)
	for _, size := range []int{1, 7, 100_000, len(stream)} {
		var pieces [][]byte
		for rest := stream; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			pieces = append(pieces, rest[:min(size, len(rest))])
		}
		in := newSplitter(most)
		from := chunks(pieces)
		var got []packet
		for {
			if _, err := in.fill(&from); err != nil {
				break
			}
			for {
				p, ok, err := in.next()
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
				p.body = bytes.Clone(p.body)
				got = append(got, p)
			}
		}
		if len(got) != 2 || !got[0].cut || got[1].cut || !bytes.HasSuffix(got[1].body, []byte("next")) {
			t.Fatalf("pieces of %d: got %d packets", size, len(got))
		}
		m, _, err := parsePublish(got[0].header, got[0].body, nil, true)
		if err != nil || len(m.payload) <= most || !strings.HasPrefix(payload, string(m.payload)) {
			t.Errorf("pieces of %d: got payload of %d bytes, error %v", size, len(m.payload), err)
		}
		if len(in.buf) > 4*readBuffer {
			t.Errorf("buffer grew to %d bytes", len(in.buf))
		}
	}
}

func TestSplitter_HugeRemainingLength_TakesMemoryOnlyForWhatArrives(t *testing.T) {
	t.Parallel()
	in := newSplitter(0)
	from := chunks{[]byte{packets.PUBLISH << 4, 0xFF, 0xFF, 0xFF, 0x7F}, make([]byte, 1000)}
	for range 2 {
		if _, err := in.fill(&from); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := in.next(); ok || err != nil {
			t.Fatalf("got %t, %v", ok, err)
		}
	}
	if len(in.buf) != readBuffer {
		t.Errorf("buffer has %d bytes", len(in.buf))
	}
}

func TestSplitter_BufferGrowsAndShrinks(t *testing.T) {
	t.Parallel()
	payload := strings.Repeat("x", 3*readBuffer)
	in := newSplitter(0)
	from := chunks{publishPacket(0, "a", 0, "", payload), {packets.PINGRESP << 4, 0}}
	seen := 0
	for {
		if _, err := in.fill(&from); err != nil {
			break
		}
		for {
			p, ok, err := in.next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if seen++; seen == 1 && !bytes.HasSuffix(p.body, []byte(payload)) {
				t.Error("payload damaged")
			}
		}
	}
	if seen != 2 || len(in.buf) != readBuffer {
		t.Errorf("got %d packets and a buffer of %d bytes", seen, len(in.buf))
	}
}

func TestSplitter_Faults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		stream string
		code   byte
	}{
		{"remaining length of five bytes [MQTT 1.5.5]", "\x30\x80\x80\x80\x80\x01", codeMalformed},
		{"huge SUBACK", "\x90\xFF\xFF\xFF\x7F", codePacketTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := newSplitter(0)
			if _, err := in.fill(strings.NewReader(tt.stream)); err != nil {
				t.Fatal(err)
			}
			_, _, err := in.next()
			if broken, ok := errors.AsType[*protocolError](err); !ok || broken.code != tt.code {
				t.Errorf("got %v, want code 0x%02X", err, tt.code)
			}
		})
	}
}

// FuzzSplitter: a stream gives the same packets however it is cut.
func FuzzSplitter(f *testing.F) {
	f.Add(publishPacket(2, "a", 1, "\x0B\x07", "hello"), uint16(3), false)
	f.Add([]byte("\xD0\x00\x30\x05\x00\x01a\x00x\xE0\x00"), uint16(1), true)
	f.Fuzz(func(t *testing.T, stream []byte, at uint16, cut bool) {
		most := 0
		if cut {
			most = 1
		}
		i := min(int(at), len(stream))
		want := splitAll([][]byte{stream}, most)
		if got := splitAll([][]byte{stream[:i], stream[i:]}, most); got != want {
			t.Errorf("split at %d: got %s, want %s", i, got, want)
		}
	})
}
