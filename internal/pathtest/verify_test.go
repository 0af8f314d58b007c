package pathtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"sluice"
)

// expected is what the tables must hold after a test. A device that had to send
// a message more than once may have given the broker several copies: only on the
// sensor route are those one row, elsewhere there may be as many as were sent.
type expected struct {
	rows    map[key]values
	numbers map[int64]expectedNumber
	dead    map[deadWant]bounds
	resent  int // publications sent more than once
}

type key struct {
	device string
	epoch  int64
}

type values struct{ temp, rh float32 }

type expectedNumber struct {
	value int64
	most  int
}

type bounds struct{ least, most int }

func expect(sent []*publication) expected {
	e := expected{rows: map[key]values{}, numbers: map[int64]expectedNumber{}, dead: map[deadWant]bounds{}}
	for _, p := range sent {
		most := max(p.sends, 1)
		if most > 1 {
			e.resent++
		}
		switch {
		case p.row != nil:
			e.rows[key{p.row.Device, p.row.Epoch}] = values{p.row.Temp, p.row.Rh}
		case p.number != nil:
			e.numbers[p.number.number] = expectedNumber{p.number.value, most}
		case p.dead != nil:
			b := e.dead[*p.dead]
			e.dead[*p.dead] = bounds{b.least + 1, b.most + most}
		}
	}
	return e
}

// sizes are how many rows the tables have at least.
func (e expected) sizes() (rows, numbers, dead int64) {
	for _, b := range e.dead {
		dead += int64(b.least)
	}
	return int64(len(e.rows)), int64(len(e.numbers)), dead
}

// verify waits until everything is handled, then compares the tables with what
// was sent, and the accounts with the tables.
func (s *site) verify(sent []*publication) {
	s.t.Helper()
	for _, p := range sent {
		if p.nobody && p.wanted() || p.qos > 0 && !p.acked {
			s.t.Fatalf("not a fair load: %v (nobody had subscribed: %v)", p, p.nobody)
		}
	}
	want := expect(sent)
	s.awaitHandled(want)
	f := &findings{}
	s.compareRows(want, f)
	s.compareNumbers(want, f)
	dead := s.compareDead(want, f)
	if !s.wiped {
		s.compareAccounts(dead, f)
	}
	sensor, number := s.mustStatus(routeSensor).Account, s.mustStatus(routeNumber).Account
	s.t.Logf("%d messages sent (%d more than once): %d rows, %d numbers, %d dead letters; accounts %+v and %+v",
		len(sent), want.resent, len(want.rows), len(want.numbers), dead, sensor, number)
	if !f.empty() {
		s.t.Errorf("of %d messages sent:\n%v\naccounts: sensor %+v, number %+v", len(sent), f, sensor, number)
	}
}

// awaitHandled waits until no queue holds anything and the tables are as large
// as they must be. A table that stays smaller is left to the comparison, which
// can name what is missing: when all queues have been empty for long enough
// nothing more will come.
func (s *site) awaitHandled(want expected) {
	s.t.Helper()
	const settled = 100 // looks, 50 ms each, at empty queues and no change
	quiet, last := 0, [3]int64{}
	eventually(s.t, 2*patience, func() error {
		for _, queue := range []string{routeSensor, routeNumber, sluice.QueueDead} {
			st, err := s.status(queue)
			if err != nil {
				return err
			}
			if st.Queued() > 0 {
				quiet = 0
				return fmt.Errorf("%s still queues: %+v", queue, st)
			}
		}
		got, err := s.sizes()
		if err != nil {
			return err
		}
		if got != last {
			quiet, last = 0, got
		}
		quiet++
		rows, numbers, dead := want.sizes()
		if quiet < settled && (got[0] < rows || got[1] < numbers || got[2] < dead) {
			return fmt.Errorf("tables have %v rows, numbers and dead letters, want %d, %d and %d", got, rows, numbers, dead)
		}
		return nil
	})
}

func (s *site) sizes() (n [3]int64, err error) {
	err = s.pool.QueryRow(s.t.Context(),
		"SELECT (SELECT count(*) FROM data.sensor), (SELECT count(*) FROM numbers), (SELECT count(*) FROM sluice.dead_letter)",
	).Scan(&n[0], &n[1], &n[2])
	return n, err
}

// findings are what is wrong, with a few examples of each kind.
type findings struct {
	count    map[string]int
	examples map[string][]string
}

func (f *findings) addf(kind, format string, args ...any) {
	if f.count == nil {
		f.count, f.examples = map[string]int{}, map[string][]string{}
	}
	f.count[kind]++
	if len(f.examples[kind]) < 10 {
		f.examples[kind] = append(f.examples[kind], fmt.Sprintf(format, args...))
	}
}

func (f *findings) empty() bool { return len(f.count) == 0 }

func (f *findings) String() string {
	var b strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(f.count)) {
		fmt.Fprintf(&b, "%s: %d, for example %s\n", kind, f.count[kind], strings.Join(f.examples[kind], ", "))
	}
	return b.String()
}

// each runs a query and calls do after each row was scanned into dest.
func (s *site) each(sql string, do func(), dest ...any) {
	s.t.Helper()
	rows, err := s.pool.Query(context.WithoutCancel(s.t.Context()), sql)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := pgx.ForEachRow(rows, dest, func() error { do(); return nil }); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) compareRows(want expected, f *findings) {
	s.t.Helper()
	found := map[key]bool{}
	var k key
	var v values
	s.each("SELECT device, epoch, temp, rh FROM data.sensor", func() {
		w, ok := want.rows[k]
		switch {
		case !ok:
			f.addf("rows never sent", "%v", k)
		case found[k]:
			f.addf("rows twice", "%v", k)
		case w != v:
			f.addf("rows with wrong values", "%v: got %v, want %v", k, v, w)
		}
		found[k] = true
	}, &k.device, &k.epoch, &v.temp, &v.rh)
	for k := range want.rows {
		if !found[k] {
			f.addf("rows missing", "%v", k)
		}
	}
}

func (s *site) compareNumbers(want expected, f *findings) {
	s.t.Helper()
	found := map[int64]int{}
	var n, v int64
	s.each("SELECT number, value FROM numbers", func() {
		w, ok := want.numbers[n]
		found[n]++
		switch {
		case !ok:
			f.addf("numbers never sent", "%d", n)
		case found[n] > w.most:
			f.addf("numbers too often", "%d: %d times", n, found[n])
		case w.value != v:
			f.addf("numbers with wrong values", "%d: got %d, want %d", n, v, w.value)
		}
	}, &n, &v)
	for n := range want.numbers {
		if found[n] == 0 {
			f.addf("numbers missing", "%d", n)
		}
	}
}

// compareDead returns how many dead letters there are.
func (s *site) compareDead(want expected, f *findings) (total int) {
	s.t.Helper()
	got := map[deadWant]int{}
	var w deadWant
	var n int
	s.each("SELECT route, reason, count(*) FROM sluice.dead_letter GROUP BY route, reason", func() {
		got[w] = n
		total += n
	}, &w.route, &w.reason, &n)
	for w, n := range got {
		if b := want.dead[w]; n < b.least || n > b.most {
			f.addf("dead letters in wrong number", "%v: got %d, want %v", w, n, b)
		}
	}
	for w, b := range want.dead {
		if got[w] == 0 {
			f.addf("dead letters in wrong number", "%v: got 0, want %v", w, b)
		}
	}
	return total
}

// compareAccounts checks that every account balances and says what the tables
// say.
func (s *site) compareAccounts(dead int, f *findings) {
	s.t.Helper()
	size, err := s.sizes()
	if err != nil {
		s.t.Fatal(err)
	}
	refused := int64(0)
	for i, queue := range []string{routeSensor, routeNumber} {
		a := s.balanced(queue, f).Account
		refused += a.Dead
		if a.Stored != size[i] {
			f.addf("accounts off", "%s says %d stored, the table has %d", queue, a.Stored, size[i])
		}
	}
	a := s.balanced(sluice.QueueDead, f).Account
	if a.Received != refused || a.Stored != refused || refused != int64(dead) {
		f.addf("accounts off", "routes say %d dead, %s says %+v, the table has %d", refused, sluice.QueueDead, a, dead)
	}
}

func (s *site) balanced(queue string, f *findings) sluice.QueueStatus {
	s.t.Helper()
	st := s.mustStatus(queue)
	if st.Balance() != 0 {
		f.addf("accounts off", "%s is off by %d: %+v", queue, st.Balance(), st)
	}
	return st
}
