package sluice_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"sluice"
	"sluice/sluicetest"
)

func TestDoor_AcknowledgesWhatIsStored(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 0)
		p := f.replica()
		p.queue.Fail("Append", sluicetest.Refuse, errDown, 3)
		a, b := f.gadget("a"), f.gadget("b")
		a.connect(p.frontDoor)
		b.connect(p.frontDoor)
		a.publish("data", "1", "2")
		b.publish("data/b", "3")
		f.advance(40 * ms)
		a.inFlight(0, 2)
		f.advance(10 * time.Second)
		a.inFlight(2, 0)
		b.inFlight(1, 0)
		f.stored("data", 3, 3)
		if n := p.opened(); n != 1 {
			t.Errorf("%d sessions, want the first one kept", n)
		}
	})
}

// A client publishes what no client may say: markers, uptimes, retained messages.
func TestDoor_TrustsNoControlMessageOfAClient(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 0)
		p := f.replica()
		a := f.gadget("a")
		a.connect(p.frontDoor)
		a.publish(syncTopic, p.session().lease.Token+" 9000000000000000")
		a.publish(sluice.TopicUptime, "1 seconds")
		a.session.push(sluice.Delivery{Topic: []byte("data"), Payload: []byte("r"), Retain: true, Client: "a", Connection: a.connection})
		f.advance(10 * time.Second)
		f.stored("data", 1, 1) // RETAIN is only a wish
		f.events(sluice.EventUnrouted, 2)
		a.inFlight(2, 0)
		a.vanish()
		f.advance(4 * time.Second)
		f.is(sluice.DeviceSuspect, "a") // no caught_up of the far future
	})
}

func TestDoor_KilledBetweenAppendAndAck_StoresOnce(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 0)
		a, b := f.replica(), f.replica()
		a.queue.Fail("Append", sluicetest.Lose, errDown, -1)
		g := f.gadget("g")
		g.connect(a.frontDoor)
		g.publish("data", "1", "2", "3")
		f.advance(time.Second)
		g.inFlight(0, 3)
		a.freeze()
		if c := g.connect(b.frontDoor); !c.Resumed || len(c.Delivered) != 3 {
			t.Errorf("got %+v, want the session with 3 deliveries", c)
		}
		g.publish("data", "4")
		f.advance(5 * time.Second)
		g.inFlight(4, 0)
		if got := f.status("data").Account; got.Stored != 4 || got.Dropped[sluice.DropRedelivery] != 3 {
			t.Errorf("account %+v, want 4 stored and 3 redelivered", got)
		}
		f.advance(time.Minute)
		f.reports()
	})
}

func TestDoor_TakeoverWithMessagesInFlight_StoresOnce(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 0)
		a, b := f.replica(), f.replica()
		a.queue.Fail("Append", sluicetest.Hang, nil, -1)
		g, stays := f.gadget("g"), f.gadget("stays")
		g.connect(a.frontDoor)
		stays.connect(a.frontDoor)
		g.publish("data", "1", "2")
		stays.publish("data", "3")
		g.publish("data", "4")
		stays.publish("data/stays", "5")
		f.advance(time.Second)
		if c := g.connect(b.frontDoor); len(c.Delivered) != 0 {
			t.Errorf("got deliveries %v, nothing is stored", c.Delivered)
		}
		f.advance(5 * time.Second)
		g.inFlight(3, 0)
		stays.inFlight(0, 2)
		a.queue.Fail("Append", sluicetest.Pass, nil, 0)
		f.advance(20 * time.Second)
		stays.inFlight(2, 0)
		f.stored("data", 5, 5)
		if n := a.opened(); n != 1 {
			t.Errorf("%d sessions of the old replica, want the first one kept", n)
		}
	})
}

// What a group says of devices must not be lost when it is built again.
func TestDoor_GroupBuiltAgain_StillTellsOfDevices(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 20*time.Second)
		a, b := f.replica(), f.replica()
		a.queue.Fail("Append", sluicetest.Refuse, errDown, 2)
		g, stays := f.gadget("g"), f.gadget("stays")
		stays.will = -1
		g.connect(a.frontDoor)
		stays.connect(a.frontDoor)
		g.publish("data", "1")
		stays.publish("data/stays", "2")
		g.connect(b.frontDoor)
		f.advance(5 * time.Second)
		f.is(sluice.DeviceUp, "stays")
		d, err := f.store.Device(context.Background(), "stays")
		if err != nil || d == nil || d.Deadline == 0 {
			t.Errorf("got %+v (%v), want it held to its silence", d, err)
		}
	})
}

func TestDoor_OutageAndRecovery(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 0)
		a, b := f.replica(), f.replica()
		g := f.gadget("g")
		g.connect(a.frontDoor)
		g.hello()
		f.advance(time.Minute)
		g.vanish()
		f.advance(4900 * ms)
		f.is(sluice.DeviceSuspect, "g")
		f.advance(3 * time.Second) // the other replica looks every second
		f.reports("outage g")
		g.connect(b.frontDoor)
		g.hello()
		f.advance(3 * time.Second)
		f.reports("outage g", "recovery g")
	})
}

func TestDoor_WillOfAnOldConnection_IsNoOutage(t *testing.T) {
	for _, order := range []string{"will first", "connect first"} {
		t.Run(order, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T) {
				f := newFleetSite(t, 0)
				a, b := f.replica(), f.replica()
				g := f.gadget("g")
				g.connect(a.frontDoor)
				g.hello()
				f.advance(time.Second)
				a.queue.Fail("Append", sluicetest.Hang, nil, 1) // 5 s
				if order == "will first" {
					g.vanish()
					g.connect(b.frontDoor)
				} else {
					old := &gadget{t: t, name: g.name, will: g.will, session: g.session, connection: g.connection}
					g.connect(b.frontDoor)
					old.vanish()
				}
				f.advance(10 * time.Minute) // it says nothing, but is connected
				f.reports()
				f.is(sluice.DeviceUp, "g")
				g.vanish()
				f.advance(10 * time.Second)
				f.reports("outage g")
			})
		})
	}
}

// Who connects before the delay has passed and says so after it was not away.
func TestDoor_ConnectJustBeforeTheDeadline_IsNoOutage(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 0)
		a, b := f.replica(), f.replica()
		g := f.gadget("g")
		g.connect(a.frontDoor)
		g.hello()
		f.advance(time.Second)
		g.vanish()
		f.advance(4900 * ms)
		g.connect(b.frontDoor)
		f.advance(10 * time.Second)
		g.hello()
		f.advance(10 * time.Minute)
		f.reports()
	})
}

func TestDoor_KilledReplica_ItsDevicesHaveTheirGrace(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 0)
		a, b := f.replica(), f.replica()
		back, gone, late := f.gadget("back"), f.gadget("gone"), f.gadget("late")
		for _, g := range []*gadget{back, gone, late} {
			g.connect(a.frontDoor)
			g.hello()
		}
		f.advance(time.Second)
		a.freeze()
		f.advance(3 * time.Second)
		back.connect(b.frontDoor)
		f.advance(30 * time.Second)
		f.doors(1)
		f.is(sluice.DeviceUp, "back")
		f.is(sluice.DeviceSuspect, "gone", "late")
		late.connect(b.frontDoor)
		f.advance(20 * time.Second)
		late.hello()
		f.advance(60 * time.Second)
		f.reports()
		f.advance(2 * time.Minute)
		f.reports("outage gone")
		back.vanish()
		f.advance(20 * time.Second)
		f.reports("outage gone", "outage back")
	})
}

func TestDoor_StoppedReplicaThatWakes_StoresNothing(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 0)
		a, b := f.replica(), f.replica()
		g := f.gadget("g")
		g.connect(a.frontDoor)
		f.advance(time.Second)
		a.freeze()
		g.publish("data", "1")
		f.advance(40 * time.Second)
		f.doors(1)
		a.thaw()
		f.advance(10 * time.Second)
		g.inFlight(0, 1)
		f.stored("data", 0, 0)
		f.doors(2)
		if n := a.opened(); n != 2 {
			t.Errorf("%d sessions of the replica that woke, want a second one", n)
		}
		if c := g.connect(b.frontDoor); !c.Resumed {
			t.Error("its session is lost")
		}
		f.advance(time.Second)
		g.inFlight(1, 0)
		f.stored("data", 1, 1)
	})
}

// A store that stood still makes every lease look expired.
func TestDoor_StoreStandsStill_NobodyIsInherited(t *testing.T) {
	for _, fate := range []sluicetest.Fate{sluicetest.Hang, sluicetest.Refuse} {
		t.Run(fmt.Sprint("fate ", fate), func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T) {
				f := newFleetSite(t, 0)
				replicas := []*replica{f.replica(), f.replica(), f.replica()}
				for _, p := range replicas {
					f.gadget(fmt.Sprint("g", p.session().lease.Session)).connect(p.frontDoor)
				}
				for i := range 40 { // whatever each was about to do when the store stopped
					stop := 5*time.Second + time.Duration(i)*370*ms
					for _, p := range replicas {
						for _, op := range ingestCalls {
							p.queue.Fail(op, fate, errDown, -1)
						}
					}
					f.advance(stop)
					for _, p := range replicas {
						p.thaw()
					}
					f.advance(time.Minute)
				}
				for _, p := range replicas {
					if n := p.opened(); n != 1 {
						t.Errorf("%d sessions of a replica, want the first one kept", n)
					}
				}
				f.doors(3)
				f.reports()
			})
		})
	}
}

// A device that sends one reading at a time cannot be heard of while nothing is
// acknowledged. It is when it could speak again that its silence counts.
func TestDoor_StoreStandsStillForLongerThanSilentAfter_NobodyIsSilent(t *testing.T) {
	for _, fate := range []sluicetest.Fate{sluicetest.Hang, sluicetest.Refuse} {
		t.Run(fmt.Sprint("fate ", fate), func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T) {
				f := newFleetSite(t, 40*time.Second)
				p := f.replica()
				g, mute := f.gadget("g"), f.gadget("mute")
				g.connect(p.frontDoor)
				mute.connect(p.frontDoor)
				mute.publish("data/mute", "1")
				g.publish("data/g", "1")
				f.advance(5 * time.Second)
				for _, op := range ingestCalls {
					p.queue.Fail(op, fate, errDown, -1)
				}
				g.publish("data/g", "2")
				f.advance(5 * time.Minute)
				p.thaw()
				for range 100 { // until the PUBACK is there
					if g.allAcked() {
						break
					}
					f.advance(100 * ms)
				}
				f.advance(ms)
				g.publish("data/g", "3") // at once: it has waited for that
				f.advance(39 * time.Second)
				g.publish("data/g", "4")
				f.reports()
				f.advance(15 * time.Second)
				f.reports("outage mute")
			})
		})
	}
}

func TestDoor_DrainedReplica_IsInheritedAtOnce(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 0)
		a, b := f.replica(), f.replica()
		g := f.gadget("g")
		g.connect(a.frontDoor)
		g.hello()
		f.advance(time.Second)
		a.stop()
		f.advance(1100 * ms)
		f.doors(1)
		f.is(sluice.DeviceSuspect, "g")
		g.connect(b.frontDoor)
		g.hello()
		f.advance(10 * time.Minute)
		f.is(sluice.DeviceUp, "g")
		f.reports()
	})
}

// While no replica ran nobody could say anything.
func TestDoor_AfterAGapOfAllReplicas_SilenceBeginsAnew(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 40*time.Second)
		a := f.replica()
		mute, g := f.gadget("mute"), f.gadget("g")
		mute.will, g.will = -1, -1
		mute.connect(a.frontDoor)
		g.connect(a.frontDoor)
		mute.publish("data/mute", "1")
		g.publish("data/g", "1")
		f.advance(time.Second)
		a.stop()
		f.advance(5 * time.Minute)
		b := f.replica()
		f.advance(20 * time.Second)
		g.connect(b.frontDoor)
		g.publish("data/g", "2")
		f.advance(20 * time.Second)
		f.reports()
		f.advance(20 * time.Second)
		f.reports("outage mute")
	})
}

// A door that cannot open leaves no trail of sessions.
func TestDoor_ThatCannotOpen_KeepsItsSession(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 0)
		p := f.closed()
		p.refusal = errDown
		f.open(p)
		f.advance(time.Hour)
		f.doors(1)
		p.mu.Lock()
		p.refusal = nil
		p.mu.Unlock()
		f.advance(10 * time.Second)
		g := f.gadget("g")
		g.connect(p.frontDoor)
		g.publish("data", "1")
		f.advance(time.Second)
		g.inFlight(1, 0)
		f.doors(1)
	})
}

func TestDoor_ForgetsClientsThatHaveLongExpired(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		f := newFleetSite(t, 0)
		p := f.replica()
		for i := range 120 { // more than a page
			g := f.gadget(fmt.Sprint("g", i))
			c := g.connect(p.frontDoor)
			if i >= 3 {
				if err := f.store.Disconnect(context.Background(), p.session().lease, g.name, c.Connection, 0, false); err != nil {
					t.Fatal(err)
				}
			}
		}
		count := func(want int) {
			t.Helper()
			if n, err := f.store.CountClients(context.Background()); err != nil || n != want {
				t.Errorf("at %v: %d clients are known (%v), want %d", f.elapsed(), n, err, want)
			}
		}
		f.advance(30 * time.Second)
		count(120)
		f.advance(3 * time.Minute)
		count(3)
	})
}
