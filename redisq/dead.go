package redisq

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	"sluice"
)

// letters are dead letters as the scripts take them: three arguments each.
type letters struct {
	args  []string
	count int
	bytes int64 // payloads
	size  int   // records
}

// add encodes one letter as a message of QueueDead. account is the index in KEYS
// of the queue that it is counted in.
func (ls *letters) add(d *sluice.DeadLetter, account int) error {
	payload, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("dead letter of %s: %w", d.Route, err)
	}
	topic := d.Topic
	if len(topic) > sluice.MaxTopic {
		topic = topic[:sluice.MaxTopic]
	}
	var f sluice.Frame
	f.Append([]byte(topic), payload, d.At.UnixMicro())
	ls.args = append(ls.args, strconv.Itoa(account), quotaField(d.Device), string(f.Data))
	ls.count++
	ls.bytes += f.Bytes
	ls.size += len(f.Data)
	return nil
}

// maxField is the longest device name that is a field of the quota hash as it is.
const maxField = 64

// quotaField bounds what a name from outside costs.
func quotaField(device string) string {
	if len(device) <= maxField {
		return device
	}
	sum := sha256.Sum256([]byte(device))
	return hex.EncodeToString(sum[:])
}

// deadArgs appends what the scripts' function bury takes.
func (q *Queue) deadArgs(args []string, ls *letters) []string {
	if ls.count == 0 {
		return args
	}
	p := sluice.DeadPolicy()
	args = append(args, strconv.Itoa(maxDevices), strconv.Itoa(q.config.DeadPerDevice), q.keys.quotas())
	args = append(args, policyArgs(p, ls.count, ls.bytes)...)
	return append(args, ls.args...)
}
