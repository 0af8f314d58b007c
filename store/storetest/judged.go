package storetest

import (
	"math"
	"strings"
	"testing"
	"time"

	"sluice"
	"sluice/store"
)

// Every reason for which a payload is refused, each among readings that are stored; the
// same payload is refused again in another batch.
func sensorBadPayloads(t *testing.T, s Store) {
	h := sensor(t, s, "plant-1")
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	ahead := int64(Epoch + 1 + 24*3600) // the last epoch that is accepted
	b := Batch(
		Payload("dev-1", Epoch, 1, 1),
		[]byte("hello"),
		nil,
		Payload("gerät", Epoch, 1, 1),
		Payload(strings.Repeat("d", 65), Epoch, 1, 1),
		Payload("dev-2", Epoch, nan, 1),
		Payload("dev-2", Epoch, 1, inf),
		Payload("dev-1", ahead, 1, 1),
		Payload("dev-1", ahead+1, 1, 1),
		Payload("dev-1", store.DefaultEpochMin-1, 1, 1),
		Payload("dev-1", store.DefaultEpochMin, 1, 1),
		Payload("dev-3", Epoch, math.MaxFloat32, -math.SmallestNonzeroFloat32),
	)
	want := []sluice.BadMessage{
		{Index: 1, Reason: sluice.ReasonDecode},
		{Index: 2, Reason: sluice.ReasonDeviceName},
		{Index: 3, Reason: sluice.ReasonDeviceName, Device: "gerät"},
		{Index: 4, Reason: sluice.ReasonDeviceName, Device: strings.Repeat("d", 64)},
		{Index: 5, Reason: sluice.ReasonNotFinite, Device: "dev-2"},
		{Index: 6, Reason: sluice.ReasonNotFinite, Device: "dev-2"},
		{Index: 8, Reason: sluice.ReasonEpoch, Device: "dev-1"},
		{Index: 9, Reason: sluice.ReasonEpoch, Device: "dev-1"},
	}
	WantOutcome(t, h.Handle(t.Context(), b), 0, want...)
	b.ID = sluice.NewBatchID()
	WantOutcome(t, h.Handle(t.Context(), b), 4, want...)
	wantRows(t, s, 4, 1)
	r := rowsOf(t, s, 1)[3]
	if r.Temp != math.MaxFloat32 || r.RH != -math.SmallestNonzeroFloat32 {
		t.Errorf("got %v and %v, want the extremes as they were sent", r.Temp, r.RH)
	}
}

// The bounds of a reading's time are those that the sink was given, around the time
// received.
func sensorOwnBounds(t *testing.T, s Store) {
	h := s.NewSensor(facility(t, s, "plant-1"), time.Unix(Epoch, 0), time.Minute)
	got := h.Handle(t.Context(), Batch(
		Payload("d", Epoch-1, 1, 1), Payload("d", Epoch, 1, 1), Payload("d", Epoch+61, 1, 1), Payload("d", Epoch+62, 1, 1),
	))
	WantOutcome(t, got, 0,
		sluice.BadMessage{Index: 0, Reason: sluice.ReasonEpoch, Device: "d"}, sluice.BadMessage{Index: 3, Reason: sluice.ReasonEpoch, Device: "d"})
	wantRows(t, s, 2, 1)
}

// A letter whose payload is null is one with an empty payload.
func deadNullPayload(t *testing.T, s Store) {
	d := s.NewDead(facility(t, s, "plant-1"))
	b := DeadBatch(t, sluice.DeadLetter{Route: "r", Topic: "t", Reason: sluice.ReasonDecode, Received: time.Unix(Epoch, 0), At: time.Unix(Epoch, 0)})
	if p := string(b.Messages[0].Payload); !strings.Contains(p, `"payload":null`) {
		t.Fatalf("got %s, want a null payload in it", p)
	}
	WantOutcome(t, d.Handle(t.Context(), b), 0)
	all, more, err := s.DeadLetters(t.Context(), store.DeadQuery{Facilities: []int32{1}, Limit: 9})
	if err != nil || more || len(all) != 1 || len(all[0].Payload) != 0 || all[0].PayloadSize != 0 || all[0].Topic != "t" {
		t.Errorf("got %v (%v), want one letter with an empty payload", all, err)
	}
}
