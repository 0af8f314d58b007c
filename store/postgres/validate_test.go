package postgres

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"sluice"
	"sluice/store/storetest"
)

func TestSensor_JudgesEveryMessage(t *testing.T) {
	t.Parallel()
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	received := time.Unix(storetest.Epoch+1, 0)
	min := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	max := received.Unix() + 24*3600
	long := strings.Repeat("d", 65)
	for _, tc := range []struct {
		name, topic    string
		payload        []byte
		reason, device string
	}{
		{"good", "data/sensor", storetest.Payload("dev-1", storetest.Epoch, 1, 2), "", ""},
		{"all characters of a name", "data/sensor", storetest.Payload("0a.Z_9-", storetest.Epoch, 1, 2), "", ""},
		{"longest name", "data/sensor", storetest.Payload(long[1:], storetest.Epoch, 1, 2), "", ""},
		{"first time", "data/sensor", storetest.Payload("d", min, 1, 2), "", ""},
		{"last time", "data/sensor", storetest.Payload("d", max, 1, 2), "", ""},
		{"largest float", "data/sensor", storetest.Payload("d", storetest.Epoch, math.MaxFloat32, -math.MaxFloat32), "", ""},
		{"own topic", "data/sensor/dev-1", storetest.Payload("dev-1", storetest.Epoch, 1, 2), "", ""},

		{"empty payload", "data/sensor", nil, sluice.ReasonDeviceName, ""},
		{"text", "data/sensor", []byte("hello"), sluice.ReasonDecode, ""},
		{"text on a device's topic", "data/sensor/dev-1", []byte("hello"), sluice.ReasonDecode, "dev-1"},
		{"64 KiB", "data/sensor", []byte(strings.Repeat("\xff", 1<<16)), sluice.ReasonDecode, ""},
		{"too long", "data/sensor", storetest.Payload(long, storetest.Epoch, 1, 2), sluice.ReasonDeviceName, long[1:]},
		{"NUL", "data/sensor", storetest.Payload("d\x00", storetest.Epoch, 1, 2), sluice.ReasonDeviceName, "d\uFFFD"},
		{"newline", "data/sensor", storetest.Payload("d\n", storetest.Epoch, 1, 2), sluice.ReasonDeviceName, "d\n"},
		{"slash", "data/sensor", storetest.Payload("a/b", storetest.Epoch, 1, 2), sluice.ReasonDeviceName, "a/b"},
		{"wildcard", "data/sensor", storetest.Payload("#", storetest.Epoch, 1, 2), sluice.ReasonDeviceName, "#"},
		{"leading dot", "data/sensor", storetest.Payload(".d", storetest.Epoch, 1, 2), sluice.ReasonDeviceName, ".d"},
		{"letters beyond ASCII", "data/sensor", storetest.Payload("gerät", storetest.Epoch, 1, 2), sluice.ReasonDeviceName, "gerät"},
		{"wide characters cut whole", "data/sensor", storetest.Payload(strings.Repeat("日", 30), storetest.Epoch, 1, 2), sluice.ReasonDeviceName, strings.Repeat("日", 21)},
		{"other device", "data/sensor/dev-1", storetest.Payload("dev-2", storetest.Epoch, 1, 2), sluice.ReasonIdentity, "dev-1"},
		{"NaN", "data/sensor", storetest.Payload("d", storetest.Epoch, nan, 2), sluice.ReasonNotFinite, "d"},
		{"infinity", "data/sensor", storetest.Payload("d", storetest.Epoch, 1, inf), sluice.ReasonNotFinite, "d"},
		{"no epoch", "data/sensor", storetest.Payload("d", 0, 1, 2), sluice.ReasonEpoch, "d"},
		{"before 2000", "data/sensor", storetest.Payload("d", min-1, 1, 2), sluice.ReasonEpoch, "d"},
		{"beyond a day ahead", "data/sensor", storetest.Payload("d", max+1, 1, 2), sluice.ReasonEpoch, "d"},
		{"end of time", "data/sensor", storetest.Payload("d", math.MaxInt64, 1, 2), sluice.ReasonEpoch, "d"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := withCaptures(t, storetest.Batch(tc.payload))
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
	b := withCaptures(t, storetest.Batch(storetest.Payload("a", storetest.Epoch, 1, 2), storetest.Payload("b", storetest.Epoch, 1, 2), storetest.Payload("a", storetest.Epoch+1, 1, 2), storetest.Payload("b", storetest.Epoch+1, 1, 2)))
	b.Messages[1].Topic, b.Messages[2].Topic = "data/sensor/a", "data/sensor/a"
	rows, bad := NewSensor(nil, 1, SensorConfig{}).rules.Sift(b, nil)
	if len(rows) != 3 || len(bad) != 1 || bad[0].Index != 1 || bad[0].Reason != sluice.ReasonIdentity {
		t.Errorf("got %d rows, bad %v; want only message 1 bad", len(rows), bad)
	}
}

func TestSensor_EpochRangeIsConfigurable(t *testing.T) {
	t.Parallel()
	k := NewSensor(nil, 1, SensorConfig{EpochMin: time.Unix(storetest.Epoch, 0), EpochAhead: time.Minute}).rules
	b := storetest.Batch(storetest.Payload("d", storetest.Epoch-1, 1, 2), storetest.Payload("d", storetest.Epoch, 1, 2), storetest.Payload("d", storetest.Epoch+61, 1, 2), storetest.Payload("d", storetest.Epoch+62, 1, 2))
	rows, bad := k.Sift(b, nil)
	if len(rows) != 2 || len(bad) != 2 || bad[0].Index != 0 || bad[1].Index != 3 {
		t.Errorf("got %d rows, bad %v; want messages 0 and 3 bad", len(rows), bad)
	}
}

// The engine takes the first BatchError, Permanent or Halt in the chain.
func TestIsHalt(t *testing.T) {
	t.Parallel()
	if !storetest.IsHalt(sluice.Halt(errors.New("x"))) || storetest.IsHalt(sluice.Permanent(errors.New("x"))) || storetest.IsHalt(errors.New("x")) {
		t.Error("the helper does not know a Halt")
	}
}
