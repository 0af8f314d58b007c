package wire

// ParsePingreq checks a PINGREQ, which says nothing [MQTT 3.12].
func ParsePingreq(v Version, p Packet) error {
	r := newReader(v, p, PINGREQ)
	return r.end()
}

// AppendPingresp appends a PINGRESP [MQTT 3.13].
func AppendPingresp(dst []byte) []byte {
	return append(dst, byte(PINGRESP)<<4, 0)
}
