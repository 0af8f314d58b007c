package pathtest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"sluice"
	"sluice/internal/pathload"
)

// rawReading encodes a reading that the generated code would refuse.
func rawReading(device string, temp, rh float32, epoch int64) []byte {
	p := protowire.AppendTag(nil, 1, protowire.BytesType)
	p = protowire.AppendString(p, device)
	p = protowire.AppendTag(p, 2, protowire.Fixed32Type)
	p = protowire.AppendFixed32(p, math.Float32bits(temp))
	p = protowire.AppendTag(p, 3, protowire.Fixed32Type)
	p = protowire.AppendFixed32(p, math.Float32bits(rh))
	p = protowire.AppendTag(p, 4, protowire.VarintType)
	return protowire.AppendVarint(p, uint64(epoch))
}

// badInput makes messages that are wrong in some way, k counting upwards.
type badInput struct {
	name string
	make func(k int) *pathload.Publication
}

// badInputs are one of each kind. Not all end as dead letters: a few are odd and
// right.
func badInputs() []badInput {
	good := pathload.Encode(pathload.Reading(pathload.RouteSensor, "bad", 1, 0).Row)
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	list := []badInput{
		refused("truncated", sluice.ReasonDecode, good[:len(good)-2]),
		refused("garbage", sluice.ReasonDecode, []byte("not a protobuf message")),
		refused("empty", sluice.ReasonDeviceName, nil),
		refused("device of another type", sluice.ReasonDecode, []byte{1 << 3, 5}),
		refused("epoch of another type", sluice.ReasonDecode, append(slices.Clip(good), 4<<3|5, 1, 2, 3, 4)),
		refused("group", sluice.ReasonDecode, []byte{9<<3 | 3}),
		refused("invalid UTF-8", sluice.ReasonDecode, rawReading("bad\xff", 1, 2, pathload.Epoch0)),
		refused("NaN", sluice.ReasonNotFinite, rawReading("bad", nan, 2, pathload.Epoch0)),
		refused("infinity", sluice.ReasonNotFinite, rawReading("bad", 1, inf, pathload.Epoch0)),
		refused("minus infinity", sluice.ReasonNotFinite, rawReading("bad", -inf, 2, pathload.Epoch0)),
		refused("epoch zero", sluice.ReasonEpoch, rawReading("bad", 1, 2, 0)),
		refused("epoch negative", sluice.ReasonEpoch, rawReading("bad", 1, 2, -1)),
		refused("epoch in milliseconds", sluice.ReasonEpoch, rawReading("bad", 1, 2, pathload.Epoch0*1000)),
		refused("epoch least", sluice.ReasonEpoch, rawReading("bad", 1, 2, math.MinInt64)),
		refused("epoch greatest", sluice.ReasonEpoch, rawReading("bad", 1, 2, math.MaxInt64)),
		refused("payload of 64 KiB", sluice.ReasonTooLarge, pathload.Pad(good, 64<<10)),
		refused("payload a byte too large", sluice.ReasonTooLarge, pathload.Pad(good, sluice.MaxPayload+1-len(good))),
		{"largest payload", func(k int) *pathload.Publication {
			return sized(pathload.Reading(pathload.RouteSensor, "largest", k, 0), sluice.MaxPayload)
		}},
		{"identity", func(int) *pathload.Publication {
			return pathload.Doomed(pathload.RouteSensor+"/somebody", good, pathload.RouteSensor, sluice.ReasonIdentity)
		}},
		{"number too short", func(int) *pathload.Publication {
			return pathload.Doomed(pathload.RouteNumber, []byte("15 bytes, not 16"[:15]), pathload.RouteNumber, sluice.ReasonDecode)
		}},
		{"number too large", func(int) *pathload.Publication {
			return pathload.Doomed(pathload.RouteNumber, make([]byte, 64<<10), pathload.RouteNumber, sluice.ReasonTooLarge)
		}},
		{"retained number", func(k int) *pathload.Publication {
			p := pathload.Counted(1<<20, k, 0)
			p.Retain = true
			return p
		}},
	}
	for _, name := range []string{
		"data/sensor", "$dead", "$SYS", "a\x00b", "a\nb", "a/b", "+", "#", "a b", "it's", `"`, `\`, "é",
		"'; DROP TABLE data.sensor; --", "-a", ".", strings.Repeat("a", 65), strings.Repeat("z", 5000),
	} {
		list = append(list, refused(fmt.Sprintf("name %.20q", name), sluice.ReasonDeviceName, rawReading(name, 1, 2, pathload.Epoch0)))
	}
	for _, name := range []string{"a'b", "a b", "$dead", `a"b`, "é"} {
		list = append(list, badInput{fmt.Sprintf("name %q in the topic", name), func(int) *pathload.Publication {
			return pathload.Doomed(pathload.RouteSensor+"/"+name, rawReading(name, 1, 2, pathload.Epoch0), pathload.RouteSensor, sluice.ReasonDeviceName)
		}})
	}
	// Reserved as topics, but names like any other.
	for _, name := range []string{"lwt", "connect", "pulse", "sluice", "null", strings.Repeat("a", 64)} {
		list = append(list, badInput{"name " + name, func(k int) *pathload.Publication { return pathload.Reading(pathload.RouteSensor, name, k, 0) }})
	}
	for _, topic := range []string{"unknown", "data/sensors", "data/sensor/a/b", "count/number/x", "pulse", "/", "data//sensor"} {
		list = append(list, badInput{"topic " + topic, func(int) *pathload.Publication { return &pathload.Publication{Topic: topic, Payload: good, QoS: 1} }})
	}
	return list
}

// refused is a payload of the sensor route that becomes a dead letter.
func refused(name, reason string, payload []byte) badInput {
	return badInput{name, func(int) *pathload.Publication {
		return pathload.Doomed(pathload.RouteSensor, payload, pathload.RouteSensor, reason)
	}}
}

// sized pads a publication to a payload of exactly n bytes.
func sized(p *pathload.Publication, n int) *pathload.Publication {
	p.Payload = pathload.Pad(p.Payload, n-len(p.Payload))
	return p
}

// maxStall is how long a route may go without a new row because of bad input.
const maxStall = 2 * time.Second

// It runs alone, because it measures.
func TestPath_BadInput_BecomesDeadLettersAndStallsNothing(t *testing.T) {
	s := newSite(t, siteServers{})
	early := pathload.StartDevice(t, pathload.Link{Address: s.broker.Addr()}, "early") // before anybody has subscribed
	retained := &pathload.Publication{Topic: pathload.RouteNumber, Payload: pathload.EncodeNumber(-1, -1, 0), QoS: 1, Retain: true}
	early.Send(retained, nil)
	early.AwaitAcks()
	r := s.startLeading()

	kinds := badInputs()
	l := s.load(pathload.Plan{Burst: 4, Spoil: func(i int) *pathload.Publication { return kinds[i%len(kinds)].make(i) }})
	unsure := pathload.StartDevice(t, pathload.Link{Address: s.broker.Addr()}, "unsure")
	unsure.AwaitConnected()
	var sent []*pathload.Publication
	for k := range 100 { // QoS 0: no promise, and none is lost on this way
		p := pathload.Reading(pathload.RouteSensor, "unsure", k, 0)
		p.QoS = 0
		unsure.Send(p, nil)
		sent = append(sent, p)
	}
	stall := s.longestStall(9000)
	sent = append(sent, l.Finish()...)
	if l.Spoiled() < 2*len(kinds) {
		t.Errorf("only %d bad messages of %d kinds", l.Spoiled(), len(kinds))
	}
	t.Logf("%d bad messages of %d kinds among %d; the longest time without a new row: %v", l.Spoiled(), len(kinds), len(sent), stall)
	if stall > maxStall {
		t.Errorf("no new row for %v, want less than %v", stall, maxStall)
	}
	for _, p := range sent {
		if !p.Wanted() && !p.Unsubscribed() {
			t.Errorf("topic %q reached somebody", p.Topic)
		}
	}
	s.Verify(sent)
	r.Terminate()
	r = s.startLeading() // what is retained now is not replayed either
	l = s.load(pathload.Plan{Name: "after"})
	s.AwaitRows(200)
	s.Verify(append(sent, l.Finish()...))
	r.Terminate()
}

// longestStall returns the longest time without a new row until there are n.
func (s *site) longestStall(n int64) (longest time.Duration) {
	s.t.Helper()
	s.AwaitRows(1)
	last, since := int64(0), time.Now()
	pathload.Eventually(s.t, patience, func() error {
		rows, err := s.Rows()
		if err != nil {
			return err
		}
		if rows > last {
			last, since = rows, time.Now()
		}
		longest = max(longest, time.Since(since))
		if rows < n {
			return fmt.Errorf("%d rows, want %d", rows, n)
		}
		return nil
	})
	return longest
}
