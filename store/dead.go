package store

import (
	"encoding/json"
	"fmt"
	"math"

	"sluice"
)

// ReasonUnstorable marks a message of the dead letter queue that is no dead
// letter.
const ReasonUnstorable = "unstorable"

// DecodeDead reads the dead letters of a batch and names what is none.
func DecodeDead(b *sluice.Batch) (letters []sluice.DeadLetter, bad []sluice.BadMessage) {
	for i := range b.Messages {
		var l sluice.DeadLetter
		err := json.Unmarshal(b.Messages[i].Payload, &l)
		if err == nil && (l.Index < 0 || l.Index > math.MaxInt32) {
			err = fmt.Errorf("index %d", l.Index)
		}
		if err != nil {
			bad = append(bad, sluice.BadMessage{Index: i, Reason: ReasonUnstorable, Detail: Text(err.Error())})
			continue
		}
		letters = append(letters, l)
	}
	return letters, bad
}
