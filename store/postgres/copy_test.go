package postgres

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/store"
)

func TestAppendCopy_Bytes(t *testing.T) {
	t.Parallel()
	rows := []store.Row{
		{Reading: store.Reading{Device: []byte("d1"), Temp: 1, RH: -2, Epoch: 3}},
		{Reading: store.Reading{Device: []byte("dev"), Temp: 0, RH: 0, Epoch: -1}},
	}
	got := hex.EncodeToString(appendCopy([]byte{0xaa}, 7, 1<<32, rows))
	want := strings.Join([]string{
		"aa", hex.EncodeToString([]byte("PGCOPY\n\xff\r\n\x00")), "00000000", "00000000",
		"0006", "00000004", "00000007", "00000008", "0000000100000000", "00000002", "6431",
		"00000004", "3f800000", "00000004", "c0000000", "00000008", "0000000000000003",
		"0006", "00000004", "00000007", "00000008", "0000000100000001", "00000003", "646576",
		"00000004", "00000000", "00000004", "00000000", "00000008", "ffffffffffffffff",
		"ffff",
	}, "")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stream (-want +got):\n%s", diff)
	}
}
