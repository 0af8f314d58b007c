package mqtt

import (
	"hash/fnv"
	"slices"
	"strings"

	"sluice"
)

// maxIdentifier is the largest subscription identifier [MQTT 3.8.2.1.2].
const maxIdentifier = 1<<28 - 1

// StaleSubscription stands in Delivery.Subscriptions for an identifier that is
// none of the filters': the broker sent the copy for a subscription of an
// earlier configuration.
const StaleSubscription = 0

// identifiers gives the subscription identifiers that filters have on the wire.
//
// On the wire an identifier is a hash, not an index: the broker stores the
// identifier with each message it queues, so messages that waited while the
// configuration changed must still name the right filter. With indexes, adding a
// route would turn what was queued for the others into copies of a wrong
// subscription, and those are not stored.
//
// Hashed are the filter and the more specific ones that overlap it: if one is
// added that takes messages over, what was queued under the broader filter is the
// only copy, so its identifier must count as stale and not as an overlap's.
func identifiers(filters []sluice.Filter) []uint32 {
	ids := make([]uint32, len(filters))
	for i, f := range filters {
		h := fnv.New32a()
		h.Write([]byte(f.Subscription()))
		for _, g := range filters[:i] { // the more specific ones
			if overlap(f.Subscription(), g.Subscription()) {
				h.Write([]byte("\x00" + g.Subscription()))
			}
		}
		id := h.Sum32() & maxIdentifier
		for id == 0 || slices.Contains(ids[:i], id) {
			id = (id + 1) & maxIdentifier
		}
		ids[i] = id
	}
	return ids
}

// overlap tells whether some topic may match both subscriptions.
func overlap(a, b string) bool {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	for i := range min(len(as), len(bs)) {
		switch {
		case as[i] == "#" || bs[i] == "#":
			return true
		case as[i] != bs[i] && as[i] != "+" && bs[i] != "+":
			return false
		}
	}
	longer := as
	if len(bs) > len(as) {
		longer = bs
	}
	rest := longer[min(len(as), len(bs)):]
	return len(rest) == 0 || rest[0] == "#"
}

// translate replaces wire identifiers by 1 + the index of their filter. It
// tells how many were stale.
func translate(subs, ids []uint32) (stale int) {
	for i, s := range subs {
		subs[i] = uint32(slices.Index(ids, s) + 1)
		if subs[i] == StaleSubscription {
			stale++
		}
	}
	return stale
}
