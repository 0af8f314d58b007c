package liteq

import (
	"encoding/binary"

	"sluice/internal/roster"
)

// state is what the queue has in memory. Every table is written to the file (see
// shelves).
type state struct {
	roster  *roster.Roster
	totals  roster.Table[string, totals] // one, with the key ""
	fifos   roster.Table[string, fifo]   // by queue
	batches roster.Table[batchKey, batch]
	// shares says of a frame that was cut how many batches still use it.
	shares roster.Table[int64, int]
	quotas roster.Table[string, int] // dead letters of a device in the hour
}

// totals are of all queues.
type totals struct {
	Bytes  int64 `json:"bytes,omitempty"`  // of records queued
	Queues int64 `json:"queues,omitempty"` // ever
	Hour   int64 `json:"hour,omitempty"`   // of quotas: since 1970
}

// batchKey is the number of a queue, and that of the batch in the order of sealing.
type batchKey struct{ queue, seal int64 }

func newState() state {
	s := state{roster: roster.New(roster.Pages{})}
	s.totals.Put("")
	return s
}

func (s *state) commit() {
	s.roster.Commit()
	s.totals.Commit()
	s.fifos.Commit()
	s.batches.Commit()
	s.shares.Commit()
	s.quotas.Commit()
}

func (s *state) rollback() {
	s.roster.Rollback()
	s.totals.Rollback()
	s.fifos.Rollback()
	s.batches.Rollback()
	s.shares.Rollback()
	s.quotas.Rollback()
}

// Kinds of records in the file. They never change their meaning.
const (
	kindFacts           = 1
	kindSession         = 2
	kindDevice          = 3
	kindClient          = 4
	kindDelivered       = 5
	kindClientDelivered = 6
	kindTotals          = 7
	kindFifo            = 8
	kindBatch           = 9
	kindShare           = 10
	kindQuota           = 11
)

func (s *state) shelves() []shelf {
	return []shelf{
		&tableShelf[string, roster.Facts]{kindFacts, &s.roster.Facts, textKey, textOf},
		&tableShelf[string, roster.Session]{kindSession, &s.roster.Sessions, textKey, textOf},
		&deviceShelf{&s.roster.Devices},
		&tableShelf[string, roster.Client]{kindClient, &s.roster.Clients, textKey, textOf},
		&recordShelf{kindDelivered, &s.roster.Delivered},
		&recordShelf{kindClientDelivered, &s.roster.ClientDelivered},
		&tableShelf[string, totals]{kindTotals, &s.totals, textKey, textOf},
		&tableShelf[string, fifo]{kindFifo, &s.fifos, textKey, textOf},
		&tableShelf[batchKey, batch]{kindBatch, &s.batches, batchKey.bytes, batchKeyOf},
		&tableShelf[int64, int]{kindShare, &s.shares, numberKey, numberOf},
		&tableShelf[string, int]{kindQuota, &s.quotas, textKey, textOf},
	}
}

func textKey(key string) []byte { return []byte(key) }
func textOf(key []byte) string  { return string(key) }

func numberKey(key int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(key)) }

// numberOf takes a key that is too short for a number as 0: the record is damaged, and
// whoever looks for it does not find it.
func numberOf(key []byte) int64 {
	if len(key) < 8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(key))
}

func (k batchKey) bytes() []byte { return append(numberKey(k.queue), numberKey(k.seal)...) }

func batchKeyOf(key []byte) batchKey {
	if len(key) < 16 {
		return batchKey{}
	}
	return batchKey{numberOf(key), numberOf(key[8:])}
}

// fifo returns a queue for changing; it is known from then on.
func (s *state) fifo(name string) *fifo {
	if s.fifos.Get(name) != nil {
		return s.fifos.Edit(name)
	}
	t := s.totals.Edit("")
	t.Queues++
	f := s.fifos.Put(name)
	f.No = t.Queues
	return f
}
