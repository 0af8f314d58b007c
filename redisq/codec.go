package redisq

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"sluice"
)

// micros is how durations travel to the scripts.
func micros(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }

// deliverySize is the length of one entry of the redelivery record: the packet
// id, then the hash, big endian.
const deliverySize = 10

func packDelivered(ds []sluice.Delivered) string {
	b := make([]byte, 0, deliverySize*len(ds))
	for _, d := range ds {
		b = binary.BigEndian.AppendUint16(b, d.PacketID)
		b = binary.BigEndian.AppendUint64(b, d.Hash)
	}
	return rueidis.BinaryString(b)
}

// reader takes the elements of a script's reply one after the other and keeps
// the first fault: only a foreign program that writes to our keys causes one.
type reader struct {
	reply []rueidis.RedisMessage
	err   error
}

func (r *reader) next() *rueidis.RedisMessage {
	if len(r.reply) == 0 {
		r.note(errors.New("reply too short"))
		return &rueidis.RedisMessage{}
	}
	m := &r.reply[0]
	r.reply = r.reply[1:]
	return m
}

func (r *reader) note(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) text() string {
	s, err := r.next().ToString()
	if err != nil {
		r.note(err)
	}
	return s
}

func (r *reader) number() int64 {
	n, err := r.next().AsInt64()
	if err != nil {
		r.note(err)
	}
	return n
}

func (r *reader) texts() []string {
	s, err := r.next().AsStrSlice()
	if err != nil {
		r.note(err)
	}
	return s
}

// pairs reads fields and values, one after the other.
func (r *reader) pairs() map[string]string {
	s := r.texts()
	m := make(map[string]string, len(s)/2)
	for ; len(s) > 1; s = s[2:] {
		m[s[0]] = s[1]
	}
	return m
}

// integer reads a decimal number; "" is 0.
func (r *reader) integer(s string) int64 {
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		r.note(err)
	}
	return n
}

func (r *reader) delivered(packed string) []sluice.Delivered {
	b := []byte(packed)
	if len(b)%deliverySize != 0 {
		r.note(fmt.Errorf("redelivery record of %d bytes", len(b)))
		return nil
	}
	ds := make([]sluice.Delivered, 0, len(b)/deliverySize)
	for ; len(b) > 0; b = b[deliverySize:] {
		ds = append(ds, sluice.Delivered{PacketID: binary.BigEndian.Uint16(b), Hash: binary.BigEndian.Uint64(b[2:])})
	}
	return ds
}

func (r *reader) fault(where string) error {
	if r.err == nil {
		return nil
	}
	return fmt.Errorf("redis %s: %w", where, r.err)
}
