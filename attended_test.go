package sluice_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"sluice"
	"sluice/gen/msg"
	"sluice/gen/sluicev1"
	"sluice/presence"
	"sluice/sluicetest"
)

// fleetSite is a site that watches presence: one route, one receiver, a database
// for changes.
type fleetSite struct {
	*site
	chat, devices *reader
	options       []func(*sluice.Presence)
}

// namedBefore takes what is before a colon for the device.
func namedBefore(payload []byte) []byte {
	name, _, ok := strings.Cut(string(payload), ":")
	if !ok {
		return nil
	}
	return []byte(name)
}

func newFleetSite(t *testing.T, silent time.Duration, options ...func(*sluice.Presence)) *fleetSite {
	mux := sluice.NewMux()
	mux.WatchPresence()
	mux.Add(sluice.Route{Topics: []string{"data", "data/{device}"}, Handler: newScript(nil), SilentAfter: silent, Identify: namedBefore})
	f := &fleetSite{
		site: newSite(t, mux, sluicetest.BrokerConfig{Sync: "sluice/sync/plant-1", ReceiveMaximum: 1000}),
		chat: newReader(nil), devices: newReader(nil), options: options,
	}
	return f
}

// run starts a router with a keeper of its own.
func (f *fleetSite) run(options ...func(*sluice.Config)) (r *sluice.Router, stop func()) {
	return f.runOn(f.queue, options...)
}

func (f *fleetSite) runOn(q *sluicetest.FaultyQueue, options ...func(*sluice.Config)) (r *sluice.Router, stop func()) {
	p := &sluice.Presence{
		Keeper:   presence.New(q, presence.Config{Facility: "plant-1", Events: true}),
		Settings: sluice.PresenceSettings{Events: true},
		Devices:  f.devices, Receivers: []sluice.Receiver{receiver("chat", f.chat)},
	}
	for _, o := range f.options {
		o(p)
	}
	return f.startOn(q, append(options, func(c *sluice.Config) { c.Presence = p })...)
}

// uptime says that the broker has been running since an hour before the test
// began.
func (f *fleetSite) uptime(retained bool) {
	f.broker.Send(sluicetest.Publish{
		Topic: sluice.TopicUptime, Retain: retained,
		Payload: fmt.Appendf(nil, "%d seconds", int64((f.elapsed() + time.Hour).Seconds())),
	})
}

func connectOf(device string) []byte { return encodeProto(&msg.Connect{Device: device}) }

func willOf(device string, seconds int64) []byte {
	return encodeProto(&msg.LWT{Device: device, Delay: seconds})
}

func encodeProto(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// told decodes what a reader got: kind and device of each event.
func told(t testing.TB, r *reader) (out []string) {
	t.Helper()
	for _, payload := range r.read() {
		e := &sluicev1.PresenceEvent{}
		if err := proto.Unmarshal([]byte(payload), e); err != nil {
			t.Fatal(err)
		}
		kind := strings.ToLower(strings.TrimPrefix(e.Kind.String(), "PRESENCE_KIND_"))
		out = append(out, strings.TrimSpace(kind+" "+e.Device))
	}
	return out
}

// reports checks what the receiver was told.
func (f *fleetSite) reports(want ...string) {
	f.Helper()
	if diff := cmp.Diff(want, told(f.T, f.chat)); diff != "" {
		f.Errorf("at %v: reports (-want +got):\n%s", f.elapsed(), diff)
	}
}

// is checks the state of devices.
func (f *fleetSite) is(want sluice.DeviceState, names ...string) {
	f.Helper()
	for _, name := range names {
		d, err := f.store.Device(context.Background(), name)
		if err != nil || d == nil || d.State != want {
			f.Errorf("at %v: %s is %+v (%v), want %v", f.elapsed(), name, d, err, want)
		}
	}
}

func TestPresence_OutageAndRecoveryAreToldInTime(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 0)
		f.run(func(c *sluice.Config) { c.Sweep = time.Hour }) // so every lane must be woken
		f.uptime(false)
		f.broker.Publish("connect/a", connectOf("a"))
		f.advance(time.Second)
		f.broker.Publish("lwt", willOf("a", 5))
		f.advance(4999 * ms)
		f.is(sluice.DeviceSuspect, "a")
		f.advance(ms)
		f.is(sluice.DeviceDown, "a")
		f.advance(1100 * ms) // 20 ms of the queue of events, 1 s of the receiver's
		f.reports("outage a")
		f.advance(10 * time.Second)
		f.broker.Publish("connect/a", connectOf("a"))
		f.advance(1100 * ms)
		f.reports("outage a", "recovery a")
		f.advance(2 * time.Second)
		if diff := cmp.Diff([]string{"changed a", "changed a", "outage a", "recovery a"}, told(t, f.devices)); diff != "" {
			t.Errorf("told the database (-want +got):\n%s", diff)
		}
		f.advance(time.Hour)
		f.reports("outage a", "recovery a")
		if got := f.status(sluice.AccountPresence).Account; got.Received != 3 || got.Stored != 3 {
			t.Errorf("account of the reserved topics %+v, want 3 received and stored", got)
		}
	})
}

func TestPresence_StoreDownOverTheDeadline_NoFalseOutage(t *testing.T) {
	for _, fate := range []sluicetest.Fate{sluicetest.Refuse, sluicetest.Hang} {
		t.Run(fmt.Sprint("fate ", fate), func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T) {
				f := newFleetSite(t, 0)
				f.run()
				f.uptime(false)
				f.broker.Publish("connect", connectOf("back"), connectOf("gone"))
				f.broker.Publish("lwt", willOf("back", 10), willOf("gone", 10))
				f.advance(time.Second)
				for _, op := range []string{"Append", "Due", "Attend", "Renew"} {
					f.queue.Fail(op, fate, errDown, -1)
				}
				f.broker.Publish("connect", connectOf("back")) // within its delay, but not to be stored
				f.advance(5 * time.Minute)
				for _, op := range []string{"Append", "Due", "Attend", "Renew"} {
					f.queue.Fail(op, sluicetest.Pass, nil, 0)
				}
				f.uptime(false)
				f.advance(time.Minute)
				f.is(sluice.DeviceUp, "back")
				f.reports("outage gone")
			})
		})
	}
}

func TestPresence_RouterRestartsOverTheDeadline(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 0)
		_, stop := f.run()
		f.uptime(false)
		f.broker.Publish("connect", connectOf("back"), connectOf("gone"), connectOf("late"))
		f.broker.Publish("lwt", willOf("back", 10), willOf("gone", 10))
		f.advance(time.Second)
		stop()
		f.broker.Publish("connect", connectOf("back"))
		f.broker.Publish("lwt", willOf("late", 10))
		f.advance(5 * time.Minute)
		f.run()
		f.advance(9 * time.Second) // an outage waits for the uptime
		f.reports()
		f.uptime(true)
		f.advance(1500 * ms)
		if got := told(t, f.chat); !slices.Contains(got, "outage gone") {
			t.Errorf("reports %q, want the outage at once", got)
		}
		f.advance(time.Minute)
		f.reports("outage gone", "outage late")
		f.is(sluice.DeviceUp, "back")
	})
}

func TestPresence_StandbyTakesOver_EachOutageIsToldOnce(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 0)
		calls := []string{"Append", "Renew", "Lease", "Unlease", "Due", "Attend", "Clock", "Grace"}
		cut := sluicetest.Faulty(f.store, nil) // what the first router sees of the store
		a, _ := f.runOn(cut)
		f.advance(0)
		b, _ := f.run()
		f.uptime(false)
		var want []string
		for i := range 20 {
			name := fmt.Sprint("d", i)
			f.broker.Publish("connect", connectOf(name))
			f.advance(3 * time.Second)
			f.broker.Publish("lwt", willOf(name, int64(1+i)))
			want = append(want, "outage "+name)
			if i == 10 {
				for _, op := range calls {
					cut.Fail(op, sluicetest.Hang, nil, -1)
				}
			}
		}
		if !b.Leading() {
			t.Fatal("the standby did not take over")
		}
		f.uptime(false)
		f.advance(time.Minute)
		for _, op := range calls { // the first one is back, and stands by
			cut.Fail(op, sluicetest.Pass, nil, 0)
		}
		f.advance(5 * time.Minute)
		if a.Leading() || !b.Leading() {
			t.Errorf("leading: %t and %t, want only the second", a.Leading(), b.Leading())
		}
		got := told(t, f.chat)
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("reports (-want +got):\n%s", diff)
		}
	})
}

// The acknowledgement of a will and of the connect after it is lost: both come
// again and mean nothing.
func TestPresence_RedeliveredWillIsNoWill(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 0)
		f.run()
		f.uptime(false)
		f.broker.Publish("connect/a", connectOf("a"))
		f.advance(time.Second)
		f.broker.FailAck(1)
		f.broker.Publish("lwt/a", willOf("a", 1))
		f.broker.Publish("connect/a", connectOf("a"))
		f.advance(3 * time.Second)
		f.uptime(false)
		f.advance(time.Minute)
		f.is(sluice.DeviceUp, "a")
		f.reports()
		if got := f.status(sluice.AccountPresence).Account.Dropped[sluice.DropRedelivery]; got == 0 {
			t.Error("nothing was sent again")
		}
	})
}

func TestPresence_MuteDeviceWithASilentAfter_IsAnOutage(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 20*time.Second)
		f.run()
		f.uptime(false)
		f.broker.Publish("connect", connectOf("a"), connectOf("never"))
		for range 60 { // each of a's readings but the last ones
			f.broker.Publish("data/a", []byte("x"))
			f.broker.Publish("data", []byte("b:x"))
			f.advance(time.Second)
		}
		f.reports("outage never") // every route has a silent_after
		for range 60 {
			f.broker.Publish("data", []byte("b:x"))
			f.advance(time.Second)
		}
		f.reports("outage never", "outage a")
		f.broker.Publish("data/a", []byte("x"))
		f.advance(2 * time.Second)
		f.reports("outage never", "outage a", "recovery a")
	})
}

func TestPresence_DeviceLimit(t *testing.T) {
	for _, fate := range []sluicetest.Fate{sluicetest.Pass, sluicetest.Refuse, sluicetest.Lose} {
		t.Run(fmt.Sprint("fate ", fate), func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T) {
				f := newFleetSite(t, 0, func(p *sluice.Presence) { p.Settings.MaxDevices = 2 })
				f.queue.Fail("Append", fate, errDown, 2)
				f.broker.Publish("connect/a", connectOf("a"))
				f.broker.Publish("data/b", []byte("x"))
				f.broker.Publish("connect/c", connectOf("c"))
				f.broker.Publish("lwt", willOf("d", 5))
				f.broker.Publish("data/e", []byte("x"))
				f.broker.Publish("data", []byte("f:x"))
				f.broker.Publish("lwt/a", willOf("a", 1))
				f.run()
				f.uptime(false)
				f.advance(10 * time.Second)
				f.acked(8) // with one marker
				if fate == sluicetest.Pass {
					f.events(sluice.EventAppendFailed, 0) // a refusal of some moves is no failure
				}
				f.is(sluice.DeviceDown, "a")
				f.is(sluice.DeviceUp, "b")
				f.stored("data", 3, 3)
				want := sluice.Account{Received: 4, Stored: 2, Dead: 2}
				if diff := cmp.Diff(want, f.status(sluice.AccountPresence).Account); diff != "" {
					t.Errorf("account of the reserved topics (-want +got):\n%s", diff)
				}
				var got []string
				for _, d := range f.letters() {
					got = append(got, d.Reason+" "+d.Route+" "+d.Topic+" "+d.Device)
				}
				if diff := cmp.Diff([]string{"device_limit $presence connect/c c", "device_limit $presence lwt d"}, got); diff != "" {
					t.Errorf("dead letters (-want +got):\n%s", diff)
				}
				if c, err := f.store.CountDevices(t.Context()); err != nil || c != (sluice.PresenceCounts{Up: 1, Down: 1}) {
					t.Errorf("counts %+v, %v", c, err)
				}
				f.broker.Publish("connect/c", connectOf("c"))
				if ok, err := f.store.ForgetDevice(t.Context(), "b"); !ok || err != nil {
					t.Fatal(ok, err)
				}
				f.broker.Publish("connect/c", connectOf("c")) // now there is room
				f.advance(time.Second)
				f.is(sluice.DeviceUp, "c")
			})
		})
	}
}

func TestPresence_BadMessagesBlockNothing(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 0)
		f.run()
		f.uptime(false)
		long := strings.Repeat("n", 65)
		bad := []struct {
			topic   string
			payload []byte
			reason  string
			device  string
		}{
			{"connect", []byte("\xff\xff"), sluice.ReasonDecode, ""},
			{"connect", nil, sluice.ReasonDeviceName, ""},
			{"connect", connectOf(long), sluice.ReasonDeviceName, ""},
			{"lwt/dev-1", willOf("dev-2", 5), sluice.ReasonIdentity, "dev-1"},
			{"connect/not a name", connectOf("dev-2"), sluice.ReasonIdentity, "not a name"},
			{"lwt/" + long, willOf(long, 5), sluice.ReasonDeviceName, long},
		}
		f.broker.Publish("data", []byte("no name:x"), []byte(long+":x"), []byte("\x00:x"))
		for _, b := range bad {
			f.broker.Publish(b.topic, b.payload)
		}
		f.broker.Publish("connect", connectOf("lwt"), connectOf("connect"))
		f.broker.Publish("lwt", willOf("lwt", -5), willOf("connect", 1<<62))
		f.broker.Send( // what a device could send if the access list were open
			sluicetest.Publish{Topic: "sluice/sync/plant-1", Payload: []byte("1-forged 9223372036854775807"), QoS: 1},
			sluicetest.Publish{Topic: "sluice/sync/plant-1", Payload: []byte("\xff"), QoS: 1},
			sluicetest.Publish{Topic: sluice.TopicUptime, Payload: []byte("\xff"), QoS: 1})
		f.advance(5 * time.Second)
		f.acked(3 + len(bad) + 4 + 3 + 1) // with one marker
		f.stored("data", 3, 3)
		f.reports("outage lwt")
		f.is(sluice.DeviceSuspect, "connect")
		letters := f.letters()
		if len(letters) != len(bad) {
			t.Fatalf("%d dead letters, want %d", len(letters), len(bad))
		}
		for i, b := range bad {
			d := letters[i]
			if d.Route != sluice.AccountPresence || d.Topic != b.topic || d.Reason != b.reason || d.Device != b.device || string(d.Payload) != string(b.payload) {
				t.Errorf("dead letter %+v, want %+v", d, b)
			}
		}
		want := sluice.Account{Received: int64(len(bad)) + 4, Stored: 4, Dead: int64(len(bad))}
		if diff := cmp.Diff(want, f.status(sluice.AccountPresence).Account); diff != "" {
			t.Errorf("account of the reserved topics (-want +got):\n%s", diff)
		}
	})
}

func TestPresence_BrokerRestarted_OneReportOfItAndNoneOfDevicesThatComeBack(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 0)
		f.run()
		f.uptime(false)
		f.advance(time.Minute)
		f.uptime(false)
		f.broker.Publish("connect", connectOf("back"), connectOf("gone"))
		f.advance(time.Second)
		f.broker.Publish("lwt", willOf("back", 1), willOf("gone", 1)) // as a stopping broker does
		f.advance(10 * ms)
		f.broker.Break()
		f.advance(8 * time.Second)
		f.broker.Send(sluicetest.Publish{Topic: sluice.TopicUptime, Payload: []byte("7 seconds")})
		f.advance(10 * time.Second)
		f.reports("broker_restart")
		f.broker.Publish("connect", connectOf("back"))
		f.advance(100 * time.Second)
		f.reports("broker_restart")
		f.advance(time.Minute)
		f.reports("broker_restart", "outage gone")
		f.is(sluice.DeviceUp, "back")
	})
}

func TestPresence_WithoutEvents_HistoryIsKeptAndNobodyTold(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 0, func(p *sluice.Presence) {
			p.Settings.Events = false
		})
		f.options = append(f.options, func(p *sluice.Presence) {
			p.Keeper = presence.New(f.queue, presence.Config{Facility: "plant-1"})
		})
		f.run()
		f.uptime(false)
		f.broker.Publish("lwt", willOf("a", 1))
		f.advance(5 * time.Second)
		f.broker.Publish("connect", connectOf("a"))
		f.advance(5 * time.Second)
		f.reports()
		if diff := cmp.Diff([]string{"changed a", "outage a", "recovery a"}, told(t, f.devices)); diff != "" {
			t.Errorf("told the database (-want +got):\n%s", diff)
		}
		f.stored(sluice.QueueEvents, 0, 0)
	})
}

func TestPresence_SessionBeginsOnlyOnceItFeedsPresence(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 0)
		f.queue.Fail("Attend", sluicetest.Refuse, errDown, -1)
		r, _ := f.run()
		f.publish("data", 3)
		f.advance(9 * time.Second)
		if r.Leading() || f.broker.Opens() != 0 {
			t.Errorf("leading %v after %d connections, want none yet", r.Leading(), f.broker.Opens())
		}
		f.queue.Fail("Attend", sluicetest.Pass, nil, 0)
		f.advance(10 * time.Second)
		f.acked(3)
	})
}

// A suspect device has time whatever it was last seen: its will and its last
// reading may both have waited in the broker.
func TestPresence_BrokerRestartedWhileNobodyRead_WillsInTheBacklogWait(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 0)
		_, stop := f.run()
		f.uptime(false)
		f.broker.Publish("connect", connectOf("x"), connectOf("y"))
		f.advance(time.Minute)
		f.uptime(false)
		f.advance(time.Second)
		stop() // the machine goes down: the router first, then the broker
		f.broker.Publish("data/x", []byte("r"))
		f.broker.Publish("lwt", willOf("x", 1), willOf("y", 1))
		f.advance(time.Minute)
		f.run()
		f.advance(8 * time.Second)
		f.broker.Send(sluicetest.Publish{Topic: sluice.TopicUptime, Payload: []byte("10 seconds")})
		f.advance(30 * time.Second) // the devices need some time
		f.broker.Publish("connect", connectOf("x"), connectOf("y"))
		f.advance(time.Hour)
		f.reports("broker_restart")
	})
}
