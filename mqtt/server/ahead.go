package server

import (
	"encoding/binary"
	"net"
)

// recordHeader is the length of the header of a TLS record: type, version and length
// of the rest.
const recordHeader = 5

// ahead reads ahead below TLS. Clients put each packet into a record of its own, and a
// Read of tls.Conn returns one record: without reading ahead each would cost a system
// call and an entry of the inbox of its own. It hands out at most one record per Read,
// so that tls.Conn hoards none that ready does not see; whoever reads tls.Conn gives it
// room for the whole record, so that it keeps no rest of one either: nobody would know
// of it before more arrives. While nothing waits it holds no memory. The goroutine that
// reads owns it.
type ahead struct {
	*net.TCPConn
	socket *socket
	data   []byte // read and not handed out
	left   int    // bytes of the current record not handed out
}

// Read implements net.Conn.
func (a *ahead) Read(p []byte) (int, error) {
	for len(a.data) == 0 || a.left == 0 && len(a.data) < recordHeader {
		if _, err := a.more(nil); err != nil {
			return 0, err
		}
	}
	if a.left == 0 {
		a.left = recordHeader + int(binary.BigEndian.Uint16(a.data[3:]))
	}
	n := copy(p, a.data[:min(a.left, len(a.data))])
	a.left -= n
	if a.data = a.data[n:]; len(a.data) == 0 {
		a.data = nil
	}
	return n, nil
}

// more reads once and waits while that is nothing; see socket.read.
func (a *ahead) more(g gate) (n int, err error) {
	n, err = a.socket.read(&smallBuffers, 0, g)
	if n > 0 {
		a.data = append(a.data, a.socket.data()...)
		a.socket.release()
	}
	return n, err
}

// size is at least that of what is in the record that is ready, in bytes.
func (a *ahead) size() int { return int(binary.BigEndian.Uint16(a.data[3:])) }

// ready tells whether a whole record waits.
func (a *ahead) ready() bool {
	if a.left > 0 || len(a.data) < recordHeader {
		return false
	}
	return len(a.data) >= recordHeader+int(binary.BigEndian.Uint16(a.data[3:]))
}
