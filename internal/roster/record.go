package roster

import (
	"iter"
	"slices"

	"sluice"
)

// Record has redelivery records by name. Unlike a Table it tells what a step added, not
// what all is there: a record is long and grows with every group.
type Record struct {
	lists map[string][]sluice.Delivered
	undo  []Added
}

// Added is one change of a record: it was cleared, or deliveries were added.
type Added struct {
	Name    string
	Cleared bool
	News    []sluice.Delivered // valid until the end of the step

	before []sluice.Delivered
}

// Add appends deliveries, of which the record keeps the newest, at least as many.
func (r *Record) Add(name string, news []sluice.Delivered, keep int) {
	if len(news) == 0 {
		return
	}
	if r.lists == nil {
		r.lists = map[string][]sluice.Delivered{}
	}
	before := r.lists[name]
	r.undo = append(r.undo, Added{Name: name, News: news, before: before})
	list := append(before, news...)
	if len(list) > 2*keep { // seldom: it copies
		list = slices.Clone(list[max(len(list)-keep, 0):])
	}
	r.lists[name] = list
}

// Newest returns a copy of the newest n deliveries of a record, oldest first; n below 0: all.
func (r *Record) Newest(name string, n int) []sluice.Delivered {
	list := r.lists[name]
	if n >= 0 {
		list = list[max(len(list)-n, 0):]
	}
	return slices.Clone(list)
}

// Clear removes a record.
func (r *Record) Clear(name string) {
	if before, ok := r.lists[name]; ok {
		r.undo = append(r.undo, Added{Name: name, Cleared: true, before: before})
		delete(r.lists, name)
	}
}

// Load is Clear and Add of everything that there was, without a limit.
func (r *Record) Load(name string, all []sluice.Delivered) {
	r.Clear(name)
	r.Add(name, all, len(all))
}

// Changes yields what the step changed, in order.
func (r *Record) Changes() iter.Seq[Added] { return slices.Values(r.undo) }

// Commit ends the step.
func (r *Record) Commit() {
	clear(r.undo)
	r.undo = r.undo[:0]
}

// Rollback ends the step and leaves everything as it was before it.
func (r *Record) Rollback() {
	for _, u := range slices.Backward(r.undo) {
		if r.lists[u.Name] = u.before; u.before == nil {
			delete(r.lists, u.Name)
		}
	}
	r.Commit()
}
