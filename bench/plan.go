package bench

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// minEpoch is 2000-01-01 in Unix seconds.
const minEpoch = 946684800

const (
	devicePrefix = "bench-"
	// keylessSize is the size of a keyless payload: run and number, big-endian.
	keylessSize = 16
	// maxSamples bounds the messages whose latency to the row is measured.
	maxSamples = 100_000
)

// plan says which messages a run has. Message k (from 0) of device d (from 0) has
// the index d*stride + k, the epoch base + k, and in a keyless run its index as
// number. It does not change once the run has begun.
type plan struct {
	run      uint64 // random; fits into a bigint
	devices  int
	messages int
	stride   int
	base     int64
	fixed    bool // the base was given
	keyless  bool
	// sampleStep: the messages with k % sampleStep == 0 are timed to the row.
	sampleStep int
}

func newPlan(cfg Config) *plan {
	p := &plan{
		run:        rand.Uint64() >> 1,
		devices:    cfg.Devices,
		messages:   cfg.Messages,
		stride:     (cfg.Messages + cfg.Devices - 1) / cfg.Devices,
		base:       cfg.BaseEpoch,
		fixed:      cfg.BaseEpoch != 0,
		keyless:    cfg.Keyless,
		sampleStep: (cfg.Messages + maxSamples - 1) / maxSamples,
	}
	if !p.fixed {
		p.pickBase()
	}
	return p
}

// pickBase draws the first epoch so that all lie between 2000 and now.
func (p *plan) pickBase() {
	room := time.Now().Unix() - minEpoch - int64(p.stride)
	p.base = minEpoch + rand.Int64N(max(room, 1))
}

// count returns how many messages device d has.
func (p *plan) count(d int) int {
	n := p.messages / p.devices
	if d < p.messages%p.devices {
		n++
	}
	return n
}

// index returns the index of a row's reading; false when it is none of the run's.
func (p *plan) index(device string, epoch int64) (int, bool) {
	digits, ok := strings.CutPrefix(device, devicePrefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > p.devices || deviceName(n-1) != device {
		return 0, false
	}
	k := epoch - p.base
	if k < 0 || k >= int64(p.count(n-1)) {
		return 0, false
	}
	return (n-1)*p.stride + int(k), true
}

// valid tells whether an index belongs to a message.
func (p *plan) valid(index int) bool {
	return index >= 0 && index/p.stride < p.devices && index%p.stride < p.count(index/p.stride)
}

// describe names the message with the given index, for reports.
func (p *plan) describe(index int) string {
	if p.keyless {
		return strconv.Itoa(index)
	}
	return fmt.Sprintf("%s %d", deviceName(index/p.stride), p.base+int64(index%p.stride))
}

func deviceName(d int) string { return fmt.Sprintf("%s%04d", devicePrefix, d+1) }

// values returns the reading that a device has at an epoch: temp in (-20, 44)
// degC, rh in (0, 100) %, never 0 and exact in float32.
func values(d int, epoch int64) (temp, rh float32) {
	h := mix(uint64(d)<<40 ^ uint64(epoch))
	temp = float32(h&0x1fff)/128 - 20 + 1./256
	rh = float32(h>>32%12_799)/128 + 1./256
	return temp, rh
}

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// payload returns a payload of device d to be completed by fill. All payloads of
// a device have the same size.
func (p *plan) payload(d int) []byte {
	if p.keyless {
		return binary.BigEndian.AppendUint64(make([]byte, 0, keylessSize), p.run)[:keylessSize]
	}
	name := deviceName(d)
	b := append([]byte{0x0a, byte(len(name))}, name...) // 1: device
	b = append(b, 0x15, 0, 0, 0, 0, 0x1d, 0, 0, 0, 0)   // 2: temp, 3: rh
	return append(b, 0x20, 0, 0, 0, 0, 0)               // 4: epoch, 5 bytes up to 2^35
}

// fill writes message k of device d into a payload made by payload. A reading is
// the protobuf encoding of msg.SensorData, written in place.
func (p *plan) fill(b []byte, d, k int) {
	if p.keyless {
		binary.BigEndian.PutUint64(b[8:], uint64(d*p.stride+k))
		return
	}
	epoch := p.base + int64(k)
	temp, rh := values(d, epoch)
	tail := b[len(b)-16:]
	binary.LittleEndian.PutUint32(tail[1:], math.Float32bits(temp))
	binary.LittleEndian.PutUint32(tail[6:], math.Float32bits(rh))
	for i := range 4 {
		tail[11+i] = byte(epoch>>(7*i)) | 0x80
	}
	tail[15] = byte(epoch >> 28)
}
