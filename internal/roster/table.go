package roster

import (
	"iter"
	"slices"
	"strconv"
)

// Table is a map of records that can undo a step. Its zero value is empty. Slices and
// maps in a record must be replaced, not changed in place.
type Table[K comparable, V any] struct {
	rows  map[K]*row[V]
	slots []slot[K] // what pages go through
	free  []int     // empty slots
	undo  []undo[K, V]
	step  uint64
}

type row[V any] struct {
	value V
	slot  int
	kept  uint64 // the step, counted from 1, in which its value before that is in undo
}

// mostUndo is how much room for a step is kept for the next one.
const mostUndo = 4096

type slot[K any] struct {
	key  K
	used bool
}

type undo[K comparable, V any] struct {
	key     K
	before  V
	existed bool
}

// Len is the number of records.
func (t *Table[K, V]) Len() int { return len(t.rows) }

// Get returns a record, nil if there is none. It must not be changed.
func (t *Table[K, V]) Get(key K) *V {
	if r := t.rows[key]; r != nil {
		return &r.value
	}
	return nil
}

// Edit returns a record that is there, to be changed until the end of the step.
func (t *Table[K, V]) Edit(key K) *V {
	r := t.rows[key]
	if r.kept != t.step+1 {
		t.undo = append(t.undo, undo[K, V]{key, r.value, true})
		r.kept = t.step + 1
	}
	return &r.value
}

// Put makes a record, or empties the one that is there, and returns it for changing.
func (t *Table[K, V]) Put(key K) *V {
	if t.rows[key] != nil {
		v := t.Edit(key)
		*v = *new(V)
		return v
	}
	t.undo = append(t.undo, undo[K, V]{key: key})
	return &t.insert(key).value
}

func (t *Table[K, V]) insert(key K) *row[V] {
	if t.rows == nil {
		t.rows = map[K]*row[V]{}
	}
	r := &row[V]{slot: len(t.slots), kept: t.step + 1}
	if n := len(t.free); n > 0 {
		r.slot, t.free = t.free[n-1], t.free[:n-1]
		t.slots[r.slot] = slot[K]{key, true}
	} else {
		t.slots = append(t.slots, slot[K]{key, true})
	}
	t.rows[key] = r
	return r
}

// Remove removes a record that is there.
func (t *Table[K, V]) Remove(key K) {
	t.Edit(key)
	t.drop(key)
}

func (t *Table[K, V]) drop(key K) {
	r := t.rows[key]
	delete(t.rows, key)
	t.slots[r.slot] = slot[K]{}
	t.free = append(t.free, r.slot)
}

// All yields all records, in no order. They must not be changed.
func (t *Table[K, V]) All() iter.Seq2[K, *V] {
	return func(yield func(K, *V) bool) {
		for key, r := range t.rows {
			if !yield(key, &r.value) {
				return
			}
		}
	}
}

// Page returns up to n keys from a cursor on, and the next cursor. It begins with "" and
// is done when next is "". A record that is there from the first page to the last is on
// one of them, whatever happens between them.
func (t *Table[K, V]) Page(cursor string, n int) (keys []K, next string) {
	at, err := strconv.Atoi(cursor)
	if err != nil {
		at = 0
	}
	for ; at < len(t.slots); at++ {
		if !t.slots[at].used {
			continue
		}
		if len(keys) == n {
			return keys, strconv.Itoa(at)
		}
		keys = append(keys, t.slots[at].key)
	}
	return keys, ""
}

// Changed yields the records that the step changed, nil for one that it removed. The
// same record may come twice.
func (t *Table[K, V]) Changed() iter.Seq2[K, *V] {
	return func(yield func(K, *V) bool) {
		for i := range t.undo {
			if key := t.undo[i].key; !yield(key, t.Get(key)) {
				return
			}
		}
	}
}

// Commit ends the step.
func (t *Table[K, V]) Commit() {
	clear(t.undo) // so that nothing is held
	if t.undo = t.undo[:0]; cap(t.undo) > mostUndo {
		t.undo = nil
	}
	t.step++
}

// Rollback ends the step and leaves everything as it was before it.
func (t *Table[K, V]) Rollback() {
	for _, u := range slices.Backward(t.undo) {
		r := t.rows[u.key]
		switch {
		case !u.existed && r != nil:
			t.drop(u.key)
		case u.existed && r == nil:
			t.insert(u.key).value = u.before
		case u.existed:
			r.value = u.before
		}
	}
	t.Commit()
}
