package redisq

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sluice"
)

func TestBulletin_RefusesWhatNoFrontDoorSays(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "x", "m", "m3", "m0", "m0\x00", "m0\x00\x01", "m0\x00\x01a\x00", "m0\x00\x01a\xff\xfft", "t", "t1", "t1 ", "tx c", "t99999999999999999999 c"} {
		if b, err := parseBulletin(s); err == nil {
			t.Errorf("%q was taken for %+v", s, b)
		}
	}
	if _, err := packBulletin(sluice.Broadcast{Topic: strings.Repeat("t", sluice.MaxTopic+1)}); err == nil {
		t.Error("a topic of 65536 bytes was packed")
	}
}

func FuzzBulletin(f *testing.F) {
	f.Add("m1\x00\x01a\x00\x05pulsepayload")
	f.Add("t12 client name")
	f.Fuzz(func(t *testing.T, s string) {
		b, err := parseBulletin(s)
		if err != nil {
			return
		}
		packed, err := packBulletin(b)
		if err != nil {
			t.Fatalf("%+v: %v", b, err)
		}
		again, err := parseBulletin(packed)
		if err != nil {
			t.Fatalf("%q: %v", packed, err)
		}
		if diff := cmp.Diff(b, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-first +second):\n%s", diff)
		}
	})
}
