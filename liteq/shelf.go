package liteq

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"sluice"
	"sluice/internal/roster"
)

// shelf is one table of the state as the journal sees it.
type shelf interface {
	number() byte
	// changes yields what the step changed.
	changes() iter.Seq2[change, error]
	// value is a record as it is now, nil for none.
	value(key []byte) ([]byte, error)
	// apply makes a change that was written earlier.
	apply(c change) error
}

// change is one change of a record.
type change struct {
	op         byte
	key, value []byte
}

// Changes of a record.
const (
	opSet    = 's'
	opRemove = 'r'
	opAdd    = 'a' // to a redelivery record
)

var errDamaged = errors.New("a record is damaged")

// tableShelf has its records as JSON.
type tableShelf[K comparable, V any] struct {
	kind  byte
	table *roster.Table[K, V]
	toKey func(K) []byte
	ofKey func([]byte) K
}

func (s *tableShelf[K, V]) number() byte { return s.kind }

func (s *tableShelf[K, V]) changes() iter.Seq2[change, error] {
	return func(yield func(change, error) bool) {
		for key, v := range s.table.Changed() {
			c, err := changeOf(s.toKey(key), v)
			if !yield(c, err) {
				return
			}
		}
	}
}

func changeOf[V any](key []byte, v *V) (change, error) {
	if v == nil {
		return change{op: opRemove, key: key}, nil
	}
	value, err := json.Marshal(v)
	return change{op: opSet, key: key, value: value}, err
}

func (s *tableShelf[K, V]) value(key []byte) ([]byte, error) {
	v := s.table.Get(s.ofKey(key))
	if v == nil {
		return nil, nil
	}
	return json.Marshal(v)
}

func (s *tableShelf[K, V]) apply(c change) error {
	key := s.ofKey(c.key)
	if c.op == opRemove {
		if s.table.Get(key) != nil {
			s.table.Remove(key)
		}
		return nil
	}
	if err := json.Unmarshal(c.value, s.table.Put(key)); err != nil {
		return fmt.Errorf("%w: kind %d, key %q: %w", errDamaged, s.kind, c.key, err)
	}
	return nil
}

// recordShelf has redelivery records, ten bytes a delivery: packet id and hash.
type recordShelf struct {
	kind   byte
	record *roster.Record
}

const deliverySize = 10

func (s *recordShelf) number() byte { return s.kind }

func (s *recordShelf) changes() iter.Seq2[change, error] {
	return func(yield func(change, error) bool) {
		for a := range s.record.Changes() {
			c := change{op: opAdd, key: []byte(a.Name), value: pack(a.News)}
			if a.Cleared {
				c = change{op: opRemove, key: []byte(a.Name)}
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

func (s *recordShelf) value(key []byte) ([]byte, error) {
	if all := s.record.Newest(string(key), -1); len(all) > 0 {
		return pack(all), nil
	}
	return nil, nil
}

func (s *recordShelf) apply(c change) error {
	news, err := unpack(c.value)
	switch {
	case err != nil:
		return fmt.Errorf("%w: kind %d, key %q", err, s.kind, c.key)
	case c.op == opRemove:
		s.record.Clear(string(c.key))
	case c.op == opSet:
		s.record.Load(string(c.key), news)
	default:
		s.record.Add(string(c.key), news, maxDelivered)
	}
	return nil
}

// maxDelivered is more than any session remembers: records that are being read are not
// cut, because it is not known at how many.
const maxDelivered = 1 << 20

func pack(ds []sluice.Delivered) []byte {
	b := make([]byte, 0, deliverySize*len(ds))
	for _, d := range ds {
		b = binary.BigEndian.AppendUint16(b, d.PacketID)
		b = binary.BigEndian.AppendUint64(b, d.Hash)
	}
	return b
}

func unpack(b []byte) ([]sluice.Delivered, error) {
	if len(b)%deliverySize != 0 {
		return nil, errDamaged
	}
	var ds []sluice.Delivered
	for ; len(b) > 0; b = b[deliverySize:] {
		ds = append(ds, sluice.Delivered{PacketID: binary.BigEndian.Uint16(b), Hash: binary.BigEndian.Uint64(b[2:])})
	}
	return ds, nil
}
