package bench

import (
	"encoding/binary"
	"testing"
)

// testConn is a connection that is never written to.
func testConn(t *testing.T, window int) *conn {
	t.Helper()
	b, err := New(Config{Address: "127.0.0.1:1", Devices: 1, Messages: 200_000})
	if err != nil {
		t.Fatal(err)
	}
	return b.gen.newConn(0, nil, allowance{inFlight: window})
}

func TestConn_PacketIdentifiersWrapWithoutZero(t *testing.T) {
	c := testConn(t, 5)
	for k := range 140_000 {
		c.out = c.out[:0]
		if !c.encode(1) {
			t.Fatalf("message %d: no free packet identifier", k)
		}
		id := binary.BigEndian.Uint16(c.out[c.idAt:])
		if want := uint16(k%65535 + 1); id != want {
			t.Fatalf("message %d: packet identifier %d, want %d", k, id, want)
		}
		c.granted = c.sent // settle must not write
		if _, err := c.settle([]ack{{id: id}}); err != nil {
			t.Fatal(err)
		}
	}
}

// A broker may acknowledge out of order; a slot is then free only for its own
// packet identifier, and what is not in use cannot be acknowledged.
func TestConn_AcksOutOfOrder(t *testing.T) {
	c := testConn(t, 4)
	for range 4 {
		c.encode(1)
	}
	c.granted = c.sent
	if _, err := c.settle([]ack{{id: 2}, {id: 4}}); err != nil {
		t.Fatal(err)
	}
	if c.encode(1) {
		t.Error("packet identifier 5 shares the slot of 1, which is in use")
	}
	if _, err := c.settle([]ack{{id: 1}}); err != nil {
		t.Fatal(err)
	}
	if !c.encode(1) {
		t.Error("packet identifier 5 is not free")
	}
	if _, err := c.settle([]ack{{id: 2}}); err == nil {
		t.Error("a second PUBACK for 2: got no error")
	}
}
