package doortest

import (
	"testing"

	"sluice"
	"sluice/internal/pathload"
	"sluice/internal/testenv"
)

// A device whose PUBACKs were lost sends its whole window again, to the other replica:
// messages without a key are stored once all the same.
func TestDoor_PubacksLost_KeylessMessagesAreStoredOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, sitePlan{})
	d := pathload.StartDevice(t, pathload.Link{Address: s.link.Addr()}, "forgetful")
	d.AwaitConnected()
	var sent []*pathload.Publication
	const rounds = 4
	for round := range rounds {
		s.link.Lose(testenv.ToClient)
		for k := range pathload.Window {
			m := pathload.Counted(1000, round*pathload.Window+k, 0)
			if !d.Send(m, nil) {
				t.Fatal("the device does not send")
			}
			sent = append(sent, m)
		}
		s.AwaitStatus(pathload.RouteNumber, "all stored", func(st sluice.QueueStatus) bool {
			return st.Account.Stored == int64(len(sent))
		})
		s.link.Reset()
		s.link.Resume()
		d.AwaitAcks()
	}
	s.Verify(sent)
	if n := s.MustStatus(pathload.RouteNumber).Account.Dropped[sluice.DropRedelivery]; n != rounds*pathload.Window {
		t.Errorf("%d recognised as sent before, want %d", n, rounds*pathload.Window)
	}
}
