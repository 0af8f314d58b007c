package api

import (
	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// encodedRow is a service.SensorRows that is encoded already; see encodeRows.
type encodedRow struct{ data mem.BufferSlice }

// codec is gRPC's own, made fit for chunks and rows. Safe for concurrent use.
type codec struct {
	encoding.CodecV2

	chunks mem.BufferPool
}

const (
	// minChunk and maxChunk are the sizes of encoded chunks, bytes: above the first
	// gRPC takes buffers of 1 MiB, which it also clears each time. 20 readers held 139
	// MiB by them.
	minChunk, maxChunk = 32 << 10, 128 << 10
)

func newCodec() encoding.CodecV2 {
	return codec{encoding.GetCodecV2(protocodec.Name), mem.NewTieredBufferPool(minChunk*3/2, maxChunk)}
}

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(message any) (mem.BufferSlice, error) {
	switch m := message.(type) {
	case *encodedRow:
		return m.data, nil
	case proto.Message:
		if size := proto.Size(m); size > minChunk && size <= maxChunk {
			return c.marshalChunk(m, size)
		}
	}
	return c.CodecV2.Marshal(message)
}

func (c codec) marshalChunk(m proto.Message, size int) (mem.BufferSlice, error) {
	b := c.chunks.Get(size)
	if _, err := (proto.MarshalOptions{UseCachedSize: true}).MarshalAppend((*b)[:0], m); err != nil {
		c.chunks.Put(b)
		return nil, err
	}
	return mem.BufferSlice{mem.NewBuffer(b, c.chunks)}, nil
}
