package postgres

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"sluice"
)

func TestSensor_JudgesEveryMessage(t *testing.T) {
	t.Parallel()
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	received := time.Unix(epoch0+1, 0)
	min := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	max := received.Unix() + 24*3600
	long := strings.Repeat("d", 65)
	for _, tc := range []struct {
		name, topic    string
		payload        []byte
		reason, device string
	}{
		{"good", "data/sensor", payload("dev-1", epoch0, 1, 2), "", ""},
		{"all characters of a name", "data/sensor", payload("0a.Z_9-", epoch0, 1, 2), "", ""},
		{"longest name", "data/sensor", payload(long[1:], epoch0, 1, 2), "", ""},
		{"first time", "data/sensor", payload("d", min, 1, 2), "", ""},
		{"last time", "data/sensor", payload("d", max, 1, 2), "", ""},
		{"largest float", "data/sensor", payload("d", epoch0, math.MaxFloat32, -math.MaxFloat32), "", ""},
		{"own topic", "data/sensor/dev-1", payload("dev-1", epoch0, 1, 2), "", ""},

		{"empty payload", "data/sensor", nil, sluice.ReasonDeviceName, ""},
		{"text", "data/sensor", []byte("hello"), sluice.ReasonDecode, ""},
		{"text on a device's topic", "data/sensor/dev-1", []byte("hello"), sluice.ReasonDecode, "dev-1"},
		{"64 KiB", "data/sensor", []byte(strings.Repeat("\xff", 1<<16)), sluice.ReasonDecode, ""},
		{"too long", "data/sensor", payload(long, epoch0, 1, 2), sluice.ReasonDeviceName, long[1:]},
		{"NUL", "data/sensor", payload("d\x00", epoch0, 1, 2), sluice.ReasonDeviceName, "d\uFFFD"},
		{"newline", "data/sensor", payload("d\n", epoch0, 1, 2), sluice.ReasonDeviceName, "d\n"},
		{"slash", "data/sensor", payload("a/b", epoch0, 1, 2), sluice.ReasonDeviceName, "a/b"},
		{"wildcard", "data/sensor", payload("#", epoch0, 1, 2), sluice.ReasonDeviceName, "#"},
		{"leading dot", "data/sensor", payload(".d", epoch0, 1, 2), sluice.ReasonDeviceName, ".d"},
		{"letters beyond ASCII", "data/sensor", payload("gerät", epoch0, 1, 2), sluice.ReasonDeviceName, "gerät"},
		{"wide characters cut whole", "data/sensor", payload(strings.Repeat("日", 30), epoch0, 1, 2), sluice.ReasonDeviceName, strings.Repeat("日", 21)},
		{"other device", "data/sensor/dev-1", payload("dev-2", epoch0, 1, 2), sluice.ReasonIdentity, "dev-1"},
		{"NaN", "data/sensor", payload("d", epoch0, nan, 2), sluice.ReasonNotFinite, "d"},
		{"infinity", "data/sensor", payload("d", epoch0, 1, inf), sluice.ReasonNotFinite, "d"},
		{"no epoch", "data/sensor", payload("d", 0, 1, 2), sluice.ReasonEpoch, "d"},
		{"before 2000", "data/sensor", payload("d", min-1, 1, 2), sluice.ReasonEpoch, "d"},
		{"beyond a day ahead", "data/sensor", payload("d", max+1, 1, 2), sluice.ReasonEpoch, "d"},
		{"end of time", "data/sensor", payload("d", math.MaxInt64, 1, 2), sluice.ReasonEpoch, "d"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := withCaptures(t, newBatch(tc.payload))
			b.Messages[0].Topic = tc.topic
			rows, bad := NewSensor(nil, 1, SensorConfig{}).rules.Sift(b, nil)
			if tc.reason == "" {
				if len(rows) != 1 || len(bad) != 0 {
					t.Fatalf("got %v, want it accepted", bad)
				}
				return
			}
			if len(rows) != 0 || len(bad) != 1 {
				t.Fatalf("got %d rows and %v, want one bad message", len(rows), bad)
			}
			if bad[0].Reason != tc.reason || bad[0].Device != tc.device {
				t.Errorf("got reason %s, device %q, want %s, %q", bad[0].Reason, bad[0].Device, tc.reason, tc.device)
			}
		})
	}
}

// withCaptures gives b the filters of the sensor route.
func withCaptures(t testing.TB, b *sluice.Batch) *sluice.Batch {
	t.Helper()
	var filters []sluice.Filter
	for _, pattern := range []string{"data/sensor", "data/sensor/{device}"} {
		f, err := sluice.ParseFilter(pattern)
		if err != nil {
			t.Fatal(err)
		}
		filters = append(filters, f)
	}
	return b.WithFilters(filters...)
}

func TestSensor_TopicsOfADeviceAndOfAllInOneBatch(t *testing.T) {
	t.Parallel()
	b := withCaptures(t, newBatch(payload("a", epoch0, 1, 2), payload("b", epoch0, 1, 2), payload("a", epoch0+1, 1, 2), payload("b", epoch0+1, 1, 2)))
	b.Messages[1].Topic, b.Messages[2].Topic = "data/sensor/a", "data/sensor/a"
	rows, bad := NewSensor(nil, 1, SensorConfig{}).rules.Sift(b, nil)
	if len(rows) != 3 || len(bad) != 1 || bad[0].Index != 1 || bad[0].Reason != sluice.ReasonIdentity {
		t.Errorf("got %d rows, bad %v; want only message 1 bad", len(rows), bad)
	}
}

func TestSensor_EpochRangeIsConfigurable(t *testing.T) {
	t.Parallel()
	k := NewSensor(nil, 1, SensorConfig{EpochMin: time.Unix(epoch0, 0), EpochAhead: time.Minute}).rules
	b := newBatch(payload("d", epoch0-1, 1, 2), payload("d", epoch0, 1, 2), payload("d", epoch0+61, 1, 2), payload("d", epoch0+62, 1, 2))
	rows, bad := k.Sift(b, nil)
	if len(rows) != 2 || len(bad) != 2 || bad[0].Index != 0 || bad[1].Index != 3 {
		t.Errorf("got %d rows, bad %v; want messages 0 and 3 bad", len(rows), bad)
	}
}

// The engine takes the first BatchError, Permanent or Halt in the chain.
func TestIsHalt(t *testing.T) {
	t.Parallel()
	if !isHalt(sluice.Halt(errors.New("x"))) || isHalt(sluice.Permanent(errors.New("x"))) || isHalt(errors.New("x")) {
		t.Error("the helper does not know a Halt")
	}
}
