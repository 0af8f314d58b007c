package wire

// varint reads a variable byte integer [MQTT 1.5.5] and how many bytes it took;
// ok is false when it is cut off or longer than four bytes.
func varint(b []byte) (v uint32, width int, ok bool) {
	for i := 0; i < len(b) && i < maxVarint; i++ {
		v |= uint32(b[i]&0x7F) << (7 * i)
		if b[i] < 0x80 {
			return v, i + 1, true
		}
	}
	return 0, 0, false
}

// padded reports whether v could have been written in fewer than width bytes
// [MQTT-1.5.5-1].
func padded(v uint32, width int) bool {
	return width > 1 && v < 1<<(7*(width-1))
}

// varintWidth is the number of bytes that v takes; v is at most maxRemaining.
func varintWidth(v int) int {
	width := 1
	for v >= 1<<7 {
		v >>= 7
		width++
	}
	return width
}

func appendVarint(dst []byte, v int) []byte {
	for v >= 1<<7 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}
