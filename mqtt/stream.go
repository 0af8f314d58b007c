package mqtt

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"net"
	"syscall"
	"time"
)

// stream is a connection to a broker, with TLS or without.
type stream struct {
	net.Conn
	raw     net.Conn        // below TLS
	records *records        // nil without TLS
	alarm   *alarm          // nil where there is none
	handle  syscall.RawConn // for try; nil over TLS
}

// more tells whether another Read would return at once with data that has
// arrived already. Over TCP one read brings everything, so it never does.
func (s *stream) more() bool { return s.records != nil && s.records.ready() }

// closeNow closes without the farewell of TLS, which could wait for the peer.
func (s *stream) closeNow() { s.raw.Close() }

// dial connects to the broker of c; ctx bounds it.
func dial(ctx context.Context, c Config) (*stream, error) {
	e, err := c.endpoint()
	if err != nil {
		return nil, err
	}
	d := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
		Control:         limitUnacked,
	}
	raw, err := d.DialContext(ctx, "tcp", e.address)
	if err != nil {
		return nil, err
	}
	if !e.secure {
		return &stream{Conn: raw, raw: raw, alarm: alarmOf(raw), handle: handleOf(raw)}, nil
	}
	r := &records{Conn: raw, buf: bufio.NewReaderSize(raw, readBuffer)}
	t := tls.Client(r, c.tlsConfig(e.host))
	if err := t.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return &stream{Conn: t, raw: raw, records: r, alarm: alarmOf(raw)}, nil
}

func handleOf(c net.Conn) syscall.RawConn {
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

func alarmOf(c net.Conn) *alarm {
	if s, ok := c.(syscall.Conn); ok {
		return newAlarm(s)
	}
	return nil
}

// recordHeader is the length of the header of a TLS record: type, version and
// length of the rest.
const recordHeader = 5

// records reads ahead below TLS. A broker puts each message into a record of
// its own, and a Read of tls.Conn returns one record: without reading ahead
// every message would cost a system call and a gather pause of its own. It hands
// out at most one record per Read, so that tls.Conn hoards none that ready does
// not see.
type records struct {
	net.Conn
	buf  *bufio.Reader
	left int // bytes of the current record not yet handed out
}

func (r *records) Read(p []byte) (int, error) {
	if r.left == 0 {
		head, err := r.buf.Peek(recordHeader)
		if err != nil {
			return 0, err
		}
		r.left = recordHeader + int(binary.BigEndian.Uint16(head[3:]))
	}
	n, err := r.buf.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}

// ready tells whether a whole record is waiting in the buffer.
func (r *records) ready() bool {
	if r.left > 0 || r.buf.Buffered() < recordHeader {
		return false
	}
	head, _ := r.buf.Peek(recordHeader) // cannot fail: it is buffered
	return r.buf.Buffered() >= recordHeader+int(binary.BigEndian.Uint16(head[3:]))
}
