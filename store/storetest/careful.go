package storetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice"
)

func conflictAt(index int, device string) sluice.BadMessage {
	return sluice.BadMessage{Index: index, Reason: sluice.ReasonConflict, Device: device}
}

func dataAt(index int, device string) sluice.BadMessage {
	return sluice.BadMessage{Index: index, Reason: sluice.ReasonData, Device: device}
}

func sensorDuplicates(t *testing.T, s Store) {
	h := sensor(t, s, "plant-1")
	WantOutcome(t, h.Handle(t.Context(), Readings("dev-1", Epoch, 100)), 0)
	WantOutcome(t, h.Handle(t.Context(), Readings("dev-1", Epoch+50, 100)), 50)
	WantOutcome(t, h.Handle(t.Context(), Readings("dev-1", Epoch, 150)), 150)
	wantRows(t, s, 150, 1)
}

func sensorConflict(t *testing.T, s Store) {
	h := sensor(t, s, "plant-1")
	WantOutcome(t, h.Handle(t.Context(), Batch(Payload("dev-1", Epoch, 20, 50), Payload("dev-1", Epoch+1, 20, 50))), 0)
	got := h.Handle(t.Context(), Batch(
		Payload("dev-1", Epoch, 20.5, 50), // other temp
		Payload("dev-2", Epoch, 20, 50),   // stored
		Payload("dev-1", Epoch+1, 20, 51), // other rh
		Payload("dev-1", Epoch, 20, 50),   // the stored one, behind one that is not
	))
	WantOutcome(t, got, 1, conflictAt(0, "dev-1"), conflictAt(2, "dev-1"))
	wantRows(t, s, 3, 1)
	if temp := rowsOf(t, s, 1)[0].Temp; temp != 20 {
		t.Errorf("got temp %v, want that of the first reading", temp)
	}
}

func sensorFirstWins(t *testing.T, s Store) {
	got := sensor(t, s, "plant-1").Handle(t.Context(), Batch(
		Payload("dev-1", Epoch, 1, 1),
		Payload("dev-1", Epoch, 2, 2),
		Payload("dev-1", Epoch, 1, 1),
		Payload("dev-1", Epoch, 2, 2),
		Payload("dev-2", Epoch, 0, 1),
		Payload("dev-2", Epoch, float32(math.Copysign(0, -1)), 1),
	))
	WantOutcome(t, got, 2, conflictAt(1, "dev-1"), conflictAt(3, "dev-1"))
	wantRows(t, s, 2, 1)
	if temp := rowsOf(t, s, 1)[0].Temp; temp != 1 {
		t.Errorf("got temp %v, want 1", temp)
	}
}

func sensorRefusedRows(t *testing.T, s Store) {
	h := sensor(t, s, "plant-1")
	must(t, s.RefuseHot(t.Context()))
	rnd := rand.New(rand.NewPCG(1, 2))
	stored := 0
	for n, bad := range [][]int{{0}, {499}, {0, 499}, {250, 251}, {3, 77, 78, 400, 498}, rnd.Perm(500)[:100], rnd.Perm(500)} {
		device := fmt.Sprintf("dev-%d", n)
		slices.Sort(bad)
		b := Readings(device, Epoch, 500)
		var want []sluice.BadMessage
		for _, i := range bad {
			b.Messages[i].Payload = Payload(device, Epoch+int64(i), 100, 50)
			want = append(want, dataAt(i, device))
		}
		for range 2 {
			WantOutcome(t, h.Handle(t.Context(), b), 0, want...)
		}
		stored += 500 - len(bad)
		wantRows(t, s, stored, 1)
	}
}

// A stored duplicate, a conflict, a refused row whose place the next reading with its
// key takes, and bad payloads.
func sensorEverythingAtOnce(t *testing.T, s Store) {
	h := sensor(t, s, "plant-1")
	WantOutcome(t, h.Handle(t.Context(), Batch(Payload("a", Epoch, 1, 1))), 0)
	must(t, s.RefuseHot(t.Context()))
	b := Batch(
		Payload("a", Epoch, 1, 1),     // duplicate
		Payload("a", Epoch, 2, 1),     // conflict
		Payload("b", Epoch, 100, 1),   // refused
		Payload("b", Epoch, 2, 1),     // takes its place
		Payload("b", Epoch, 3, 1),     // conflicts with that
		Payload("b", Epoch, 2, 1),     // duplicate of that
		[]byte("x"),                   // decode
		Payload("c", Epoch, 1, 1),     // stored
		Payload("b", Epoch+1, 100, 1), // refused, last
	)
	first := h.Handle(t.Context(), b)
	WantOutcome(t, first, 2,
		conflictAt(1, "a"), dataAt(2, "b"), conflictAt(4, "b"), sluice.BadMessage{Index: 6, Reason: sluice.ReasonDecode}, dataAt(8, "b"),
	)
	wantRows(t, s, 3, 1)
	if diff := cmp.Diff(first, h.Handle(t.Context(), b)); diff != "" {
		t.Errorf("outcome of the replay (-first +again):\n%s", diff)
	}
	wantRows(t, s, 3, 1)
}
