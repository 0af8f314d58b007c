package bench

import "fmt"

// sequence is the order in which rows of a facility must come.
type sequence int

const (
	gapless   sequence = iota // entry ids 1, 2, 3 ...
	ascending                 // of entry ids; there may be gaps
	byDevice                  // by device, then by epoch
)

// order judges the rows of one stream, one by one.
type order struct {
	sequence sequence

	rows     int64
	facility int32 // 0 before the first row
	entry    int64
	device   string
	epoch    int64
	fault    string // the first one
}

// add judges a row.
func (o *order) add(facility int32, entry int64, device string, epoch int64) {
	if facility != o.facility {
		o.begin(facility)
	}
	if !o.follows(entry, device, epoch) {
		o.objectf("facility %d: row %d (%s, %d) comes after row %d (%s, %d)", facility, entry, device, epoch, o.entry, o.device, o.epoch)
	}
	o.rows++
	o.entry, o.device, o.epoch = entry, device, epoch
}

func (o *order) begin(facility int32) {
	if facility < o.facility {
		o.objectf("facility %d comes after facility %d", facility, o.facility)
	}
	o.facility, o.entry, o.device, o.epoch = facility, 0, "", 0
}

func (o *order) follows(entry int64, device string, epoch int64) bool {
	switch o.sequence {
	case gapless:
		return entry == o.entry+1
	case ascending:
		return entry > o.entry
	default:
		return device > o.device || (device == o.device && epoch > o.epoch)
	}
}

func (o *order) objectf(format string, args ...any) {
	if o.fault == "" {
		o.fault = fmt.Sprintf(format, args...)
	}
}
