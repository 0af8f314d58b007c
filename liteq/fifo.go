package liteq

import (
	"maps"
	"slices"
	"time"

	"sluice"
)

// fifo is one queue: its open batch, which of its batches are where, and its account.
// Its batches are numbered in the order of sealing. Those above Claimed are sealed; of
// the others those in Taken are claimed or in retry, the rest is done.
type fifo struct {
	No      int64          `json:"no,omitempty"`     // of the queue
	Frames  int64          `json:"frames,omitempty"` // ever; the number of the newest
	Account sluice.Account `json:"account"`

	Count int      `json:"count,omitempty"` // messages in the open batch
	Bytes int64    `json:"bytes,omitempty"` // of their payloads
	Size  int64    `json:"size,omitempty"`  // of their records
	First int64    `json:"first,omitempty"` // store time of the first
	From  position `json:"from"`

	Seals   int64   `json:"seals,omitempty"`
	Claimed int64   `json:"claimed,omitempty"`
	Taken   []int64 `json:"taken,omitempty"` // ascending

	Note        []byte `json:"note,omitempty"`
	Halted      string `json:"halted,omitempty"`
	HaltedSince int64  `json:"halted_since,omitempty"`
}

// position is a place between two records: a frame of the queue, and a byte in it.
type position struct {
	Frame int64 `json:"frame,omitempty"`
	Byte  int64 `json:"byte,omitempty"`
}

// whole as a byte is the end of the frame.
const whole = -1

// batch is a sealed batch: the records from From up to To.
type batch struct {
	ID    sluice.BatchID `json:"id,omitempty"`
	From  position       `json:"from"`
	To    position       `json:"to"`
	Count int            `json:"count,omitempty"`
	Size  int64          `json:"size,omitempty"`
	First int64          `json:"first,omitempty"`

	// What follows is of a batch that was claimed once.
	InRetry bool   `json:"in_retry,omitempty"` // else claimed
	Attempt int    `json:"attempt,omitempty"`
	Token   string `json:"token,omitempty"` // of the claim
	Due     int64  `json:"due,omitempty"`   // when the claim expires or the retry is due
}

// frameBits leave room for 2^40 frames in each queue.
const frameBits = 40

func (f *fifo) frameID(number int64) int64 { return f.No<<frameBits | number }

// push appends a frame, received at a store time, to the open batch and seals by size.
// The frame lies whole in the file, whatever batches share it.
func (q *Queue) push(name string, fr sluice.Frame, p sluice.Policy, received, now int64) sluice.PartReceipt {
	f, seals := q.fifo(name), 0
	if fr.Count > 0 {
		f.Frames++
		q.frames = append(q.frames, frame{f.frameID(f.Frames), fr.Data})
		q.totals.Edit("").Bytes += int64(len(fr.Data))
		f.Account.Received += int64(fr.Count)
		seals = q.divide(f, fr, p, received)
	}
	if seals > 0 {
		q.pushed[name] = true
	}
	return sluice.PartReceipt{Sealed: seals, Open: f.Count, Age: f.age(now)}
}

// divide gives the records of the newest frame to batches and returns how many of those
// were sealed.
func (q *Queue) divide(f *fifo, fr sluice.Frame, p sluice.Policy, received int64) (seals int) {
	at, count, bytes, users := 0, fr.Count, fr.Bytes, 0
	for count > 0 {
		n, b, end := count, bytes, len(fr.Data)
		if p.Max > 0 && f.Count+count > p.Max || p.MaxBytes > 0 && f.Bytes+bytes > p.MaxBytes {
			n, b, end = f.fit(fr.Data, at, count, p)
		}
		if n > 0 {
			users++
			f.take(n, b, position{f.Frames, int64(at)}, int64(end-at), received)
		}
		at, count, bytes = end, count-n, bytes-b
		if count > 0 || f.Count == p.Max {
			q.seal(f, endAt(f.Frames, at, len(fr.Data)))
			seals++
		}
	}
	if users > 1 {
		*q.shares.Put(f.frameID(f.Frames)) = users
	}
	return seals
}

// take adds messages to the open batch.
func (f *fifo) take(n int, bytes int64, from position, size, received int64) {
	if f.Count == 0 {
		f.From, f.First = from, received
	}
	f.Count, f.Bytes, f.Size = f.Count+n, f.Bytes+bytes, f.Size+size
}

// endAt is the position at a byte of a frame; at its very beginning that is the end of
// the frame before.
func endAt(frame int64, at, length int) position {
	switch at {
	case 0:
		return position{frame - 1, whole}
	case length:
		return position{frame, whole}
	}
	return position{frame, int64(at)}
}

// fit returns how many of count records of data, from a byte on, fit into the open
// batch, their payload bytes, and the byte behind them. A record too large for any
// batch fits into an empty one.
func (f *fifo) fit(data []byte, at, count int, p sluice.Policy) (n int, bytes int64, end int) {
	for n < count && (p.Max <= 0 || f.Count+n < p.Max) {
		size, payload, ok := sluice.RecordSize(data[at:])
		if !ok || p.MaxBytes > 0 && f.Count+n > 0 && f.Bytes+bytes+int64(payload) > p.MaxBytes {
			break
		}
		n, bytes, at = n+1, bytes+int64(payload), at+size
	}
	return n, bytes, at
}

// seal seals the open batch, which ends at a position.
func (q *Queue) seal(f *fifo, to position) {
	f.Seals++
	*q.batches.Put(batchKey{f.No, f.Seals}) = batch{
		ID: sluice.NewBatchID(), From: f.From, To: to, Count: f.Count, Size: f.Size, First: f.First,
	}
	f.Count, f.Bytes, f.Size, f.First = 0, 0, 0, 0
}

// remove removes a batch that is done, and the frames that no other batch needs.
func (q *Queue) remove(f *fifo, seal int64) {
	b := q.batches.Get(batchKey{f.No, seal})
	from, to := f.frameID(b.From.Frame), f.frameID(b.To.Frame)
	if !q.last(from) {
		from++
	}
	if b.To.Frame > b.From.Frame && !q.last(to) {
		to--
	}
	if from <= to {
		q.gone = append(q.gone, span{from, to})
	}
	q.totals.Edit("").Bytes -= b.Size
	f.Taken = without(f.Taken, seal)
	q.batches.Remove(batchKey{f.No, seal})
}

// last ends the use of a frame by one batch and tells whether no other uses it.
func (q *Queue) last(frame int64) bool {
	switch users := q.shares.Get(frame); {
	case users == nil:
		return true
	case *users > 1:
		*q.shares.Edit(frame)--
		return false
	}
	q.shares.Remove(frame)
	return true
}

func without(list []int64, n int64) []int64 {
	return slices.DeleteFunc(slices.Clone(list), func(other int64) bool { return other == n })
}

// with returns the ascending list and n.
func with(list []int64, n int64) []int64 {
	at, _ := slices.BinarySearch(list, n)
	return slices.Insert(slices.Clone(list), at, n)
}

func (f *fifo) age(now int64) time.Duration {
	if f.Count == 0 {
		return 0
	}
	return micros(max(now-f.First, 0))
}

// drop counts messages that are given up.
func (f *fifo) drop(cause string, n int) {
	dropped := maps.Clone(f.Account.Dropped)
	if dropped == nil {
		dropped = map[string]int64{}
	}
	dropped[cause] += int64(n)
	f.Account.Dropped = dropped
}

func (f *fifo) halt(reason string, now int64) {
	if f.Halted == "" {
		f.HaltedSince = now
	}
	if f.Halted = reason; reason == "" {
		f.Halted = "halted"
	}
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
