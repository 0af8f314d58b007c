package liteq

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"sluice"
)

const (
	// maxQuotas bounds how many devices have a quota of their own; beyond it new ones
	// share one. Names come from outside.
	maxQuotas = 100_000
	// sample: every so many'th letter above a quota is kept.
	sample = 1000
	// maxField is the longest device name that is kept as it is.
	maxField = 64
)

// letter is a dead letter as a message of QueueDead.
type letter struct {
	route, device string
	topic         string
	payload       []byte
	at            int64
}

func encodeDead(dead []sluice.DeadLetter) ([]letter, error) {
	var out []letter
	for i := range dead {
		d := &dead[i]
		payload, err := json.Marshal(d)
		if err != nil {
			return nil, fmt.Errorf("dead letter of %s: %w", d.Route, err)
		}
		topic := d.Topic[:min(len(d.Topic), sluice.MaxTopic)]
		out = append(out, letter{d.Route, quotaKey(d.Device), topic, payload, d.At.UnixMicro()})
	}
	return out, nil
}

// quotaKey bounds what a name from outside costs.
func quotaKey(device string) string {
	if len(device) <= maxField {
		return device
	}
	sum := sha256.Sum256([]byte(device))
	return hex.EncodeToString(sum[:])
}

// bury stores dead letters in QueueDead, except those above a quota, and counts them
// for their routes.
func (q *Queue) bury(letters []letter, now int64) sluice.PartReceipt {
	if len(letters) == 0 {
		return sluice.PartReceipt{}
	}
	q.beginHour(now / time.Hour.Microseconds())
	var kept sluice.Frame
	for _, l := range letters {
		if !q.withinQuota(l.device) {
			q.fifo(l.route).drop(sluice.DropDeadQuota, 1)
			continue
		}
		q.fifo(l.route).Account.Dead++
		kept.Append([]byte(l.topic), l.payload, l.at)
	}
	return q.push(sluice.QueueDead, kept, sluice.DeadPolicy(), now, now)
}

// beginHour begins all quotas anew with each hour.
func (q *Queue) beginHour(hour int64) {
	if q.totals.Get("").Hour == hour {
		return
	}
	q.totals.Edit("").Hour = hour
	var devices []string
	for device := range q.quotas.All() {
		devices = append(devices, device)
	}
	for _, device := range devices {
		q.quotas.Remove(device)
	}
}

func (q *Queue) withinQuota(device string) bool {
	if q.quotas.Get(device) == nil {
		if q.quotas.Len() >= maxQuotas {
			device = ""
		}
		if q.quotas.Get(device) == nil {
			q.quotas.Put(device)
		}
	}
	n := q.quotas.Edit(device)
	*n++
	over := *n - q.config.DeadPerDevice
	return over <= 0 || over%sample == 0
}
