package bench

import (
	"errors"
	"io"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"

	"sluice/api"
)

func TestOrder(t *testing.T) {
	t.Parallel()
	type at struct {
		facility int32
		entry    int64
		device   string
		epoch    int64
	}
	for name, tt := range map[string]struct {
		sequence sequence
		rows     []at
		fault    string
	}{
		"all":              {gapless, []at{{1, 1, "b", 5}, {1, 2, "a", 5}, {2, 1, "a", 5}}, ""},
		"the first lacks":  {gapless, []at{{1, 2, "a", 5}}, "row 2 (a, 5) comes after row 0"},
		"one lacks":        {gapless, []at{{1, 1, "a", 5}, {1, 3, "a", 6}}, "row 3 (a, 6) comes after row 1 (a, 5)"},
		"twice":            {gapless, []at{{1, 1, "a", 5}, {1, 1, "a", 5}}, "row 1"},
		"facilities":       {gapless, []at{{2, 1, "a", 5}, {1, 1, "a", 5}}, "facility 1 comes after facility 2"},
		"range":            {ascending, []at{{1, 7, "a", 5}, {1, 9, "a", 6}}, ""},
		"range backwards":  {ascending, []at{{1, 9, "a", 5}, {1, 7, "a", 6}}, "row 7"},
		"device":           {byDevice, []at{{1, 9, "a", 5}, {1, 2, "a", 6}, {1, 1, "b", 4}}, ""},
		"epoch backwards":  {byDevice, []at{{1, 1, "a", 6}, {1, 2, "a", 5}}, "row 2 (a, 5)"},
		"device backwards": {byDevice, []at{{1, 1, "b", 6}, {1, 2, "a", 7}}, "row 2 (a, 7)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := order{sequence: tt.sequence}
			for _, r := range tt.rows {
				o.add(r.facility, r.entry, r.device, r.epoch)
			}
			if (o.fault == "") != (tt.fault == "") || !strings.Contains(o.fault, tt.fault) {
				t.Errorf("got %q, want %q", o.fault, tt.fault)
			}
			if o.rows != int64(len(tt.rows)) {
				t.Errorf("got %d rows", o.rows)
			}
		})
	}
}

// A stream whose trailer does not have its number of rows is not complete.
func TestStream_Drain_ChecksTheTrailer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		trailer metadata.MD
		ok      bool
	}{
		"right": {metadata.Pairs(api.TrailerRows, "2"), true},
		"wrong": {metadata.Pairs(api.TrailerRows, "3"), false},
		"none":  {nil, false},
	} {
		s := &stream{trailer: func() metadata.MD { return tt.trailer }}
		s.next = func() error {
			if s.rows == 2 {
				return io.EOF
			}
			s.add(1, s.rows+1, "a", 1)
			return nil
		}
		seen := int64(0)
		err := s.drain(func(rows int64) error { seen += rows; return nil })
		if err != nil || seen != 2 || (s.fault == "") != tt.ok {
			t.Errorf("%s: got %d rows, %v, fault %q", name, seen, err, s.fault)
		}
	}
}

func TestStream_Drain_Error(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	s := &stream{next: func() error { return broken }}
	if err := s.drain(func(int64) error { return nil }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// Who reads everything later cannot get less.
func TestAPIBench_Compare(t *testing.T) {
	t.Parallel()
	reads := []APIRead{
		{Method: "COPY", Rows: 5, whole: true, copied: true},
		{Method: "columns", Rows: 6, whole: true},
		{Method: "range", Rows: 1},
		{Method: "rows", Rows: 5, whole: true},
	}
	(&APIBench{}).compare(reads)
	for i, wrong := range []bool{false, false, false, true} {
		if (reads[i].Fault != "") != wrong {
			t.Errorf("%s: got %q", reads[i].Method, reads[i].Fault)
		}
	}
}

func TestNewAPI_BadConfig(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]APIConfig{
		"no address":    {},
		"no time range": {Target: "x:1", From: 5, To: 5},
		"devices":       {Target: "x:1", Devices: []string{"a"}},
		"runs -1":       {Target: "x:1", Runs: -1},
		"readers -1":    {Target: "x:1", Readers: -1},
		"stop -1s":      {Target: "x:1", Stop: -1e9},
	} {
		if _, err := NewAPI(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
