package sluicetest

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"sluice/gen/sluicev1"
)

// CompareDevices plays one random history of devices against two empty stores and
// fails t at the first difference: in what a call answers, in what is known of the
// devices after it, or in the events at the end. reference is usually a Queue.
//
// All times are given to the stores, so their clocks may differ. What only their
// clocks decide is not compared: ages, and when an operator acted.
func CompareDevices(t *testing.T, reference, store Store, seed uint64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := &rig{T: t, ctx: ctx}
	playBoth(t, seed, newStage(r, reference), newStage(r, store))
}

// player plays the acts of a history.
type player interface {
	play(a act) effect
	end() ending
}

// acts is how many acts a random history has.
const acts = 100

// playBoth plays a history to two players and fails at the first difference.
func playBoth(t *testing.T, seed uint64, reference, other player) {
	t.Helper()
	h := newHistory(seed)
	list := h.begin()
	for range acts {
		list = append(list, h.next())
	}
	for i, a := range list {
		want, got := reference.play(a), other.play(a)
		if !reflect.DeepEqual(want, got) {
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("history %d, times of moves count from %d:%s\nthen (-want +got):\n%s", seed, farOff, told(list[:i+1]), diff)
			}
		}
	}
	want, got := reference.end(), other.end()
	if diff := diffEndings(want, got); diff != "" {
		t.Fatalf("history %d, times of moves count from %d:%s\nat the end (-want +got):\n%s", seed, farOff, told(list), diff)
	}
}

// told lists acts for who reads a failed test.
func told(acts []act) string {
	var b strings.Builder
	for _, a := range acts {
		b.WriteString("\n" + a.String())
	}
	return b.String()
}

func diffEndings(want, got ending) string {
	if sameMessages(want.Events, got.Events) && sameMessages(want.Changes, got.Changes) && fmt.Sprint(want.Accounts) == fmt.Sprint(got.Accounts) {
		return ""
	}
	return cmp.Diff(want, got, protocmp.Transform(), cmpopts.EquateEmpty())
}

// sameMessages spares the reflection of cmp as long as nothing differs.
func sameMessages(a, b []*sluicev1.PresenceEvent) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !proto.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}
