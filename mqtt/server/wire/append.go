package wire

import "encoding/binary"

func appendUint16(dst []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(dst, v) }

func appendUint32(dst []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(dst, v) }

// appendString appends a string or binary data of at most maxString bytes.
func appendString[S ~string | ~[]byte](dst []byte, s S) []byte {
	return append(appendUint16(dst, uint16(len(s))), s...)
}

// appendPacket appends a packet whose remaining length is that of its parts, with the
// property length before props where there are properties at all.
func appendPacket(dst []byte, t Type, v Version, head, props, tail []byte) []byte {
	size := len(head) + len(tail)
	if v == V5 {
		size += varintWidth(len(props)) + len(props)
	}
	dst = appendVarint(append(dst, byte(t)<<4), size)
	dst = append(dst, head...)
	if v == V5 {
		dst = append(appendVarint(dst, len(props)), props...)
	}
	return append(dst, tail...)
}

// appendReasonString appends the packet that with writes, with the property reason
// string or, where the packet would be longer than limit (0: no limit) or the text
// than a string, without.
func appendReasonString(dst []byte, limit uint32, text string, with func(dst, reason []byte) []byte) []byte {
	if text != "" && len(text) <= maxString {
		whole := with(dst, appendString([]byte{propReasonString}, text))
		if limit == 0 || uint64(len(whole)-len(dst)) <= uint64(limit) {
			return whole
		}
	}
	return with(dst, nil)
}
