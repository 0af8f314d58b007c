package roster

import (
	"cmp"
	"slices"
)

// deadlines finds devices by a time of theirs, the earliest first. An entry stays when
// the device's time changes and counts for nothing then: current tells a device's time,
// 0 for none. So a change costs one push, and a rollback is one more change.
type deadlines struct {
	entries []entry // a heap
	current func(device string) int64
}

type entry struct {
	at     int64
	device string
}

func (e entry) compare(o entry) int {
	return cmp.Or(cmp.Compare(e.at, o.at), cmp.Compare(e.device, o.device))
}

// push adds an entry to the heap.
func (d *deadlines) push(e entry) {
	d.entries = append(d.entries, e)
	for i := len(d.entries) - 1; i > 0; {
		up := (i - 1) / 2
		if d.entries[up].compare(d.entries[i]) <= 0 {
			return
		}
		d.entries[up], d.entries[i] = d.entries[i], d.entries[up]
		i = up
	}
}

// pop takes the first entry off the heap.
func (d *deadlines) pop() entry {
	last := len(d.entries) - 1
	first := d.entries[0]
	d.entries[0], d.entries[last] = d.entries[last], entry{}
	d.entries = d.entries[:last]
	for i := 0; ; {
		least := i
		for down := 2*i + 1; down <= 2*i+2 && down < last; down++ {
			if d.entries[down].compare(d.entries[least]) < 0 {
				least = down
			}
		}
		if least == i {
			return first
		}
		d.entries[least], d.entries[i] = d.entries[i], d.entries[least]
		i = least
	}
}

// set tells that a device's time was changed.
func (d *deadlines) set(device string, before, after int64, devices int) {
	if after == 0 || after == before {
		return
	}
	d.push(entry{after, device})
	if len(d.entries) > 2*devices+1000 {
		d.tidy()
	}
}

// tidy throws away what counts for nothing.
func (d *deadlines) tidy() {
	d.entries = slices.DeleteFunc(d.entries, func(e entry) bool { return !d.valid(e) })
	slices.SortFunc(d.entries, entry.compare) // a sorted slice is a heap
	d.entries = slices.Clip(slices.Compact(d.entries))
}

func (d *deadlines) valid(e entry) bool { return d.current(e.device) == e.at }

// first is the earliest time, 0 for none.
func (d *deadlines) first() int64 {
	for len(d.entries) > 0 && !d.valid(d.entries[0]) {
		d.pop()
	}
	if len(d.entries) == 0 {
		return 0
	}
	return d.entries[0].at
}

// upTo returns the first n devices whose time is at or before by.
func (d *deadlines) upTo(by int64, n int) (devices []string) {
	var found []entry
	for len(found) < n && len(d.entries) > 0 && d.entries[0].at <= by {
		e := d.pop()
		if d.valid(e) && (len(found) == 0 || found[len(found)-1] != e) {
			found = append(found, e)
			devices = append(devices, e.device)
		}
	}
	for _, e := range found { // they have that time until they are changed
		d.push(e)
	}
	return devices
}

// count counts the devices whose time is at or before by, and returns the last such
// time.
func (d *deadlines) count(by int64) (n int, last int64) {
	seen := map[string]bool{}
	var walk func(i int)
	walk = func(i int) {
		if i >= len(d.entries) || d.entries[i].at > by { // and so are all below it
			return
		}
		if e := d.entries[i]; d.valid(e) {
			seen[e.device], last = true, max(last, e.at)
		}
		walk(2*i + 1)
		walk(2*i + 2)
	}
	walk(0)
	return len(seen), last
}
