package presence

import (
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"sluice"
	"sluice/gen/msg"
)

func connect(device string) []byte { return encoded(&msg.Connect{Device: device}) }

func will(device string, seconds int64) []byte {
	return encoded(&msg.LWT{Device: device, Delay: seconds})
}

func encoded(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// named is a Connect or LWT with any bytes for a name, which a device can send
// and the codec does not make.
func named(name string) []byte {
	return append([]byte{0x0a, byte(len(name))}, name...)
}

func TestRead_Payloads(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", sluice.MaxName)
	for _, tt := range []struct {
		name    string
		kind    sluice.MoveKind
		device  string // in the topic
		payload []byte
		want    string // device
		reason  string
	}{
		{"connect", sluice.MoveConnect, "", connect("dev-1"), "dev-1", ""},
		{"connect, name in the topic", sluice.MoveConnect, "dev-1", connect("dev-1"), "dev-1", ""},
		{"will", sluice.MoveWill, "", will("dev-1", 5), "dev-1", ""},
		{"will, name in the topic", sluice.MoveWill, "dev-1", will("dev-1", 5), "dev-1", ""},
		{"a connect is a will without a delay", sluice.MoveWill, "", connect("dev-1"), "dev-1", ""},
		{"a will has a field more than a connect", sluice.MoveConnect, "", will("dev-1", 5), "dev-1", ""},
		{"called lwt", sluice.MoveConnect, "", connect("lwt"), "lwt", ""},
		{"called connect", sluice.MoveWill, "", will("connect", 1), "connect", ""},
		{"the longest name", sluice.MoveConnect, "", connect(long), long, ""},
		{"field twice: the last counts", sluice.MoveConnect, "", append(connect("a"), connect("b")...), "b", ""},
		{"unknown fields", sluice.MoveConnect, "", append(connect("a"), "\x7a\x03xyz"...), "a", ""},

		{"empty", sluice.MoveConnect, "", nil, "", sluice.ReasonDeviceName},
		{"empty, name in the topic", sluice.MoveConnect, "dev-1", nil, "", sluice.ReasonDeviceName},
		{"empty name", sluice.MoveWill, "", named(""), "", sluice.ReasonDeviceName},
		{"called like a topic", sluice.MoveConnect, "", connect("data/sensor"), "", sluice.ReasonDeviceName},
		{"called like a queue", sluice.MoveWill, "", will("$dead", 1), "", sluice.ReasonDeviceName},
		{"one character too many", sluice.MoveConnect, "", connect(long + "n"), "", sluice.ReasonDeviceName},
		{"NUL", sluice.MoveConnect, "", connect("a\x00b"), "", sluice.ReasonDeviceName},
		{"line break", sluice.MoveWill, "", will("a\nb", 1), "", sluice.ReasonDeviceName},
		{"space", sluice.MoveConnect, "", connect("a b"), "", sluice.ReasonDeviceName},
		{"letters beyond ASCII", sluice.MoveConnect, "", connect("gerät"), "", sluice.ReasonDeviceName},
		{"dots only", sluice.MoveConnect, "", connect(".."), "", sluice.ReasonDeviceName},
		{"not UTF-8", sluice.MoveConnect, "", named("a\xff"), "", sluice.ReasonDecode},
		{"garbage", sluice.MoveConnect, "", []byte("\xff\xff\xff\xff"), "", sluice.ReasonDecode},
		{"JSON", sluice.MoveWill, "", []byte(`{"device":"a"}`), "", sluice.ReasonDecode},
		{"name cut off", sluice.MoveConnect, "", []byte{0x0a, 0x05, 'a'}, "", sluice.ReasonDecode},
		{"a number for a name", sluice.MoveConnect, "", []byte{0x08, 0x05}, "", sluice.ReasonDeviceName},

		{"another's name", sluice.MoveConnect, "dev-1", connect("dev-2"), "", sluice.ReasonIdentity},
		{"another's will", sluice.MoveWill, "dev-1", will("dev-2", 5), "", sluice.ReasonIdentity},
		{"another's name by letter case", sluice.MoveConnect, "dev-1", connect("Dev-1"), "", sluice.ReasonIdentity},
		{"a topic that names nobody", sluice.MoveConnect, "not a name", connect("dev-2"), "", sluice.ReasonIdentity},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := New(nil, Config{})
			m, bad := k.Read(tt.kind, tt.device, tt.payload)
			switch {
			case tt.reason == "":
				if bad != nil || m.Device != tt.want || m.Kind != tt.kind || m.At != 0 {
					t.Errorf("got %+v, %+v, want a move of %s", m, bad, tt.want)
				}
			case bad == nil:
				t.Errorf("got %+v, want the reason %s", m, tt.reason)
			case bad.Reason != tt.reason || bad.Device != tt.device || bad.Detail == "":
				t.Errorf("got %+v, want the reason %s, the device %q and a detail", *bad, tt.reason, tt.device)
			}
		})
	}
}

func TestRead_DelayIsClamped(t *testing.T) {
	t.Parallel()
	const week = 7 * 24 * time.Hour
	odd := Config{MinDelay: 1500 * time.Millisecond, MaxDelay: 90*time.Second + 500*time.Millisecond}
	for _, tt := range []struct {
		name    string
		config  Config
		seconds int64
		want    time.Duration
	}{
		{"0", Config{}, 0, time.Second},
		{"negative", Config{}, -1, time.Second},
		{"the least there is", Config{}, math.MinInt64, time.Second},
		{"1", Config{}, 1, time.Second},
		{"within", Config{}, 86_400, 24 * time.Hour},
		{"7 d", Config{}, 604_800, week},
		{"7 d and a second", Config{}, 604_801, week},
		{"would overflow a duration", Config{}, math.MaxInt64/1_000_000_000 + 1, week},
		{"would overflow to a small number", Config{}, 1 << 55, week},
		{"the most there is", Config{}, math.MaxInt64, week},
		{"limits are no whole seconds: below", odd, 1, 1500 * time.Millisecond},
		{"limits are no whole seconds: 2", odd, 2, 2 * time.Second},
		{"limits are no whole seconds: 90", odd, 90, 90 * time.Second},
		{"limits are no whole seconds: above", odd, 91, 90*time.Second + 500*time.Millisecond},
		{"one value only", Config{MinDelay: 30 * time.Second, MaxDelay: 30 * time.Second}, 5, 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, bad := New(nil, tt.config).Read(sluice.MoveWill, "", will("a", tt.seconds))
			if bad != nil || m.Delay != tt.want.Microseconds() {
				t.Errorf("got %v, %+v, want %v", time.Duration(m.Delay)*time.Microsecond, bad, tt.want)
			}
		})
	}
}

// FuzzRead: whatever comes is a move of a valid name, with a delay within the
// limits and as the topic says, or bad for a known reason.
func FuzzRead(f *testing.F) {
	for _, payload := range [][]byte{
		nil, connect("dev-1"), will("dev-1", 60), will("dev-1", math.MaxInt64), will("dev-1", -1), named("a\xff"),
		append(connect("a"), will("b", 7)...), []byte("\x0a\xff\xff\xff\xff\x0f"), []byte(`{"device":"a"}`),
	} {
		f.Add(true, "", payload)
		f.Add(false, "dev-1", payload)
	}
	k := New(nil, Config{})
	f.Fuzz(func(t *testing.T, isWill bool, device string, payload []byte) {
		kind := sluice.MoveConnect
		if isWill {
			kind = sluice.MoveWill
		}
		m, bad := k.Read(kind, device, payload)
		if bad != nil {
			switch bad.Reason {
			case sluice.ReasonDecode, sluice.ReasonDeviceName, sluice.ReasonIdentity:
			default:
				t.Errorf("reason %q", bad.Reason)
			}
			if bad.Device != device || bad.Index != 0 {
				t.Errorf("got %+v of device %q", *bad, device)
			}
			return
		}
		if m.Kind != kind || !sluice.ValidName(m.Device) || device != "" && m.Device != device || m.At != 0 || m.Silent != 0 {
			t.Errorf("got %+v with the name %q in the topic", m, device)
		}
		least, most := time.Second.Microseconds(), (7 * 24 * time.Hour).Microseconds()
		if isWill && (m.Delay < least || m.Delay > most) || !isWill && m.Delay != 0 {
			t.Errorf("got delay %d", m.Delay)
		}
	})
}
