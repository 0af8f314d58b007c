package api

import (
	"math"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"sluice/gen/sluicev1"
)

const (
	// rowSize is what is set aside for an encoded row, bytes; longer ones cost a copy.
	rowSize = 48
	// rowsAtOnce is how many rows are encoded together: what gRPC has not sent yet
	// keeps all of them.
	rowsAtOnce = 250
)

// encodeRows encodes rows of chunk, from <= i < to, each as a service.SensorRows. A
// message a row is dear by what it leaves to the garbage collector: these make
// three allocations together, where one by one each made three, which was a third
// of the CPU per row. gRPC holds the bytes until they are sent.
func encodeRows(chunk *sluicev1.SensorChunk, from, to int) mem.BufferSlice {
	n := to - from
	text := make([]byte, 0, n*rowSize)
	parts, rows := make([]mem.SliceBuffer, n), make(mem.BufferSlice, n)
	for i := range n {
		begin := len(text)
		text = appendRow(text, chunk, from+i)
		parts[i] = text[begin:len(text):len(text)]
		rows[i] = &parts[i] // the slice itself would be allocated to become an interface
	}
	return rows
}

// sendRows sends each row of chunk as a message.
func sendRows(stream grpc.ServerStream, chunk *sluicev1.SensorChunk) error {
	var row encodedRow // is not used any more when SendMsg returns
	n := len(chunk.EntryId)
	for from := 0; from < n; from += rowsAtOnce {
		rows := encodeRows(chunk, from, min(from+rowsAtOnce, n))
		for i := range rows {
			row.data = rows[i : i+1 : i+1]
			if err := stream.SendMsg(&row); err != nil {
				return err
			}
		}
	}
	return nil
}

// appendRow encodes row i: the fields of service.SensorRows, those that are zero
// left out.
func appendRow(b []byte, c *sluicev1.SensorChunk, i int) []byte {
	b = appendVarint(b, 1, c.EntryId[i])
	b = appendVarint(b, 2, int64(c.FacilityId))
	if c.Device[i] != "" {
		b = protowire.AppendTag(b, 3, protowire.BytesType)
		b = protowire.AppendString(b, c.Device[i])
	}
	b = appendFloat(b, 4, c.Temp[i])
	b = appendFloat(b, 5, c.Rh[i])
	return appendVarint(b, 6, c.Epoch[i])
}

func appendVarint(b []byte, field protowire.Number, v int64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

func appendFloat(b []byte, field protowire.Number, v float32) []byte {
	bits := math.Float32bits(v)
	if bits == 0 { // -0 is sent
		return b
	}
	return protowire.AppendFixed32(protowire.AppendTag(b, field, protowire.Fixed32Type), bits)
}
