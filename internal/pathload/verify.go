package pathload

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
	dead    map[Dead]bounds
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

func (l *Ledger) expect(sent []*Publication) expected {
	e := expected{rows: map[key]values{}, numbers: map[int64]expectedNumber{}, dead: map[Dead]bounds{}}
	for _, p := range sent {
		most := max(p.sends, 1)
		if most > 1 {
			e.resent++
		}
		if l.Once {
			most = 1
		}
		switch {
		case p.Row != nil:
			e.rows[key{p.Row.Device, p.Row.Epoch}] = values{p.Row.Temp, p.Row.Rh}
		case p.Number != nil:
			e.numbers[p.Number.Number] = expectedNumber{p.Number.Value, most}
		case p.Dead != nil:
			b := e.dead[*p.Dead]
			e.dead[*p.Dead] = bounds{b.least + 1, b.most + most}
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

// Verify waits until everything is handled, then compares the tables with what
// was sent, and the accounts with the tables.
func (l *Ledger) Verify(sent []*Publication) {
	l.T.Helper()
	for _, p := range sent {
		if p.nobody && p.Wanted() || p.QoS > 0 && !p.acked {
			l.T.Fatalf("not a fair load: %v (nobody had subscribed: %v)", p, p.nobody)
		}
	}
	want := l.expect(sent)
	l.awaitHandled(want)
	f := &findings{}
	l.compareRows(want, f)
	l.compareNumbers(want, f)
	dead := l.compareDead(want, f)
	if !l.Wiped {
		l.compareAccounts(dead, f)
	}
	sensor, number := l.MustStatus(RouteSensor).Account, l.MustStatus(RouteNumber).Account
	l.T.Logf("%d messages sent (%d more than once): %d rows, %d numbers, %d dead letters; accounts %+v and %+v",
		len(sent), want.resent, len(want.rows), len(want.numbers), dead, sensor, number)
	if !f.empty() {
		l.T.Errorf("of %d messages sent:\n%v\naccounts: sensor %+v, number %+v", len(sent), f, sensor, number)
	}
}

// awaitHandled waits until no queue holds anything and the tables are as large
// as they must be. A table that stays smaller is left to the comparison, which
// can name what is missing: when all queues have been empty for long enough
// nothing more will come.
func (l *Ledger) awaitHandled(want expected) {
	l.T.Helper()
	const settled = 100 // looks, 50 ms each, at empty queues and no change
	quiet, last := 0, [3]int64{}
	Eventually(l.T, 2*patience, func() error {
		for _, queue := range []string{RouteSensor, RouteNumber, sluice.QueueDead} {
			st, err := l.Status(queue)
			if err != nil {
				return err
			}
			if st.Queued() > 0 {
				quiet = 0
				return fmt.Errorf("%s still queues: %+v", queue, st)
			}
		}
		got, err := l.sizes()
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

func (l *Ledger) sizes() (n [3]int64, err error) {
	err = l.Pool.QueryRow(l.T.Context(),
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

// Each runs a query and calls do after each row was scanned into dest.
func (l *Ledger) Each(sql string, do func(), dest ...any) {
	l.T.Helper()
	rows, err := l.Pool.Query(context.WithoutCancel(l.T.Context()), sql)
	if err != nil {
		l.T.Fatal(err)
	}
	if _, err := pgx.ForEachRow(rows, dest, func() error { do(); return nil }); err != nil {
		l.T.Fatal(err)
	}
}

func (l *Ledger) compareRows(want expected, f *findings) {
	l.T.Helper()
	found := map[key]bool{}
	var k key
	var v values
	l.Each("SELECT device, epoch, temp, rh FROM data.sensor", func() {
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

func (l *Ledger) compareNumbers(want expected, f *findings) {
	l.T.Helper()
	found := map[int64]int{}
	var n, v int64
	l.Each("SELECT number, value FROM numbers", func() {
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
func (l *Ledger) compareDead(want expected, f *findings) (total int) {
	l.T.Helper()
	got := map[Dead]int{}
	var w Dead
	var n int
	l.Each("SELECT route, reason, count(*) FROM sluice.dead_letter GROUP BY route, reason", func() {
		got[w] = n
		total += n
	}, &w.Route, &w.Reason, &n)
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
func (l *Ledger) compareAccounts(dead int, f *findings) {
	l.T.Helper()
	size, err := l.sizes()
	if err != nil {
		l.T.Fatal(err)
	}
	refused := int64(0)
	for i, queue := range []string{RouteSensor, RouteNumber} {
		a := l.balanced(queue, f).Account
		refused += a.Dead
		if a.Stored != size[i] {
			f.addf("accounts off", "%s says %d stored, the table has %d", queue, a.Stored, size[i])
		}
	}
	a := l.balanced(sluice.QueueDead, f).Account
	if a.Received != refused || a.Stored != refused || refused != int64(dead) {
		f.addf("accounts off", "routes say %d dead, %s says %+v, the table has %d", refused, sluice.QueueDead, a, dead)
	}
}

func (l *Ledger) balanced(queue string, f *findings) sluice.QueueStatus {
	l.T.Helper()
	st := l.MustStatus(queue)
	if st.Balance() != 0 {
		f.addf("accounts off", "%s is off by %d: %+v", queue, st.Balance(), st)
	}
	return st
}
