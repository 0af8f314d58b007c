package liteq

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice"
	"sluice/internal/roster"
)

// What lies in a file of an earlier version is read by this one: a name that changes
// here needs a step in tables, or a reader for both.
func TestStoredForm_IsThatOfTheFirstVersion(t *testing.T) {
	t.Parallel()
	receipt := sluice.Receipt{Parts: []sluice.PartReceipt{{Sealed: 1, Open: 2, Age: 3}}, Presence: sluice.PresenceReceipt{Next: 4}}
	for name, test := range map[string]struct {
		value any
		form  string
	}{
		"facts":   {&roster.Facts{Offset: 1, GraceUntil: 2, BrokerSeen: 3, Unheard: 4, StormUntil: 5, Connections: 6}, `{"offset":1,"grace_until":2,"broker_seen":3,"unheard":4,"storm_until":5,"connections":6}`},
		"session": {&roster.Session{Leases: 1, Filters: []string{}, Holder: "h", Token: "t", Until: 2, Number: 3, Receipt: receipt, Attends: "a", Door: true, CaughtUp: 4}, `{"leases":1,"filters":[],"holder":"h","token":"t","until":2,"number":3,"receipt":{"Parts":[{"Sealed":1,"Open":2,"Age":3}],"Dead":{"Sealed":0,"Open":0,"Age":0},"Presence":{"Events":{"Sealed":0,"Open":0,"Age":0},"Devices":{"Sealed":0,"Open":0,"Age":0},"Next":4},"Repeated":false},"attends":"a","door":true,"caught_up":4}`},
		"client":  {&roster.Client{Session: "s", Connection: 1, Connected: 2, Expires: 3, Keep: time.Second, Will: &sluice.ClientWill{Device: "d", Delay: 4}, Done: true, Subscriptions: []byte("x")}, `{"session":"s","connection":1,"connected":2,"expires":3,"keep":1000000000,"will":{"Device":"d","Delay":4},"done":true,"subscriptions":"eA=="}`},
		"totals":  {&totals{Bytes: 1, Queues: 2, Hour: 3}, `{"bytes":1,"queues":2,"hour":3}`},
		"fifo":    {&fifo{No: 1, Frames: 2, Account: sluice.Account{Received: 3, Stored: 4, Duplicate: 5, Dead: 6, Dropped: map[string]int64{"c": 7}}, Count: 8, Bytes: 9, Size: 10, First: 11, From: position{12, whole}, Seals: 13, Claimed: 14, Taken: []int64{15}, Note: []byte("n"), Halted: "h", HaltedSince: 16}, `{"no":1,"frames":2,"account":{"received":3,"stored":4,"duplicate":5,"dead":6,"dropped":{"c":7}},"count":8,"bytes":9,"size":10,"first":11,"from":{"frame":12,"byte":-1},"seals":13,"claimed":14,"taken":[15],"note":"bg==","halted":"h","halted_since":16}`},
		"batch":   {&batch{ID: sluice.BatchID{1}, From: position{1, 2}, To: position{3, whole}, Count: 4, Size: 5, First: 6, InRetry: true, Attempt: 7, Token: "t", Due: 8}, `{"id":"01000000000000000000000000000000","from":{"frame":1,"byte":2},"to":{"frame":3,"byte":-1},"count":4,"size":5,"first":6,"in_retry":true,"attempt":7,"token":"t","due":8}`},
		"device":  {&deviceRecord{State: 'u', Generation: 1, Connected: 2, Seen: 3, Silent: 4, Deadline: 5, Due: 's', Lost: 6, Down: 7, DownCause: 'l', DownMuted: true, Outages: []int64{8}, Flapping: true, Steady: 9, Muted: 10, Version: 11}, `{"state":117,"generation":1,"connected":2,"seen":3,"silent":4,"deadline":5,"due":115,"lost":6,"down":7,"down_cause":108,"down_muted":true,"outages":[8],"flapping":true,"steady":9,"muted":10,"version":11}`},
	} {
		form, err := json.Marshal(test.value)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.form, string(form)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		again := reflect.New(reflect.TypeOf(test.value).Elem())
		if err := json.Unmarshal(form, again.Interface()); err != nil || !reflect.DeepEqual(test.value, again.Interface()) {
			t.Errorf("%s: read back as %+v (%v)", name, again, err)
		}
	}
}

// A device that comes from the file is the device that went there.
func TestDeviceRecord_HasEveryField(t *testing.T) {
	t.Parallel()
	var d sluice.Device
	v := reflect.ValueOf(&d).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Int64:
			f.SetInt(int64(i + 1))
		case reflect.Uint8:
			f.SetUint(uint64(i + 1))
		case reflect.Bool:
			f.SetBool(true)
		case reflect.String:
			f.SetString("name")
		case reflect.Slice:
			f.Set(reflect.ValueOf([]int64{int64(i)}))
		default:
			t.Fatalf("field %s is of a kind that this test does not know", v.Type().Field(i).Name)
		}
	}
	if diff := cmp.Diff(d, recordOf(&d).device("name")); diff != "" {
		t.Errorf("device (-before +after):\n%s", diff)
	}
}
