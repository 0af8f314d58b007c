package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"sluice/store/storetest"
)

func TestStateClass(t *testing.T) {
	t.Parallel()
	for c, codes := range map[class][]string{
		transient: {"08000", "08006", "40001", "40P01", "53100", "53200", "53300", "55P03", "57014", "57P01", "57P02", "57P03", "25006", "58030", "XX000", "XX001"},
		data:      {"22001", "22003", "22021", "22P05", "23502", "23514", "23505"},
		operator:  {"28P01", "28000", "3D000", "3F000", "42P01", "42703", "42501", "42601", "0A000", "23503", "22P03", "22P04"},
		unknown:   {"25P02", "25001", "40002", "55006", "23P01", "54000", "P0001", "26000", "", "2"},
	} {
		for _, code := range codes {
			if got := stateClass(code); got != c {
				t.Errorf("%s: got class %d, want %d", code, got, c)
			}
		}
	}
}

func TestFailure(t *testing.T) {
	t.Parallel()
	pg := func(code string) error { return fmt.Errorf("store: %w", &pgconn.PgError{Code: code}) }
	for _, tc := range []struct {
		name    string
		attempt int
		err     error
		halt    bool
	}{
		{"nothing", 1, nil, false},
		{"connection lost", 1000, io.ErrUnexpectedEOF, false},
		{"deadline", 1000, context.DeadlineExceeded, false},
		{"server shut down", 1000, pg("57P01"), false},
		{"no table", 1, pg("42P01"), true},
		{"no password", 1, pg("28P01"), true},
		{"unknown, first", 1, pg("P0001"), false},
		{"unknown, fourth", 4, pg("P0001"), false},
		{"unknown, fifth", 5, pg("P0001"), true},
		{"data that no row explains", 4, pg("22000"), false},
		{"data that no row explains, fifth", 5, pg("22000"), true},
		{"session ended for an unknown cause", 9, &pgconn.PgError{Code: "25P03", SeverityUnlocalized: "FATAL"}, false},
		{"session ended by a protocol fault", 9, &pgconn.PgError{Code: "08P01", SeverityUnlocalized: "FATAL"}, false},
		{"entry counter behind", 1, &pgconn.PgError{Code: "23505", ConstraintName: "sensor_pkey"}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := Failure(tc.attempt, tc.err)
			if storetest.IsHalt(got) != tc.halt {
				t.Errorf("got %v, want halt %t", got, tc.halt)
			}
			if !errors.Is(got, tc.err) {
				t.Errorf("%v does not wrap the error", got)
			}
		})
	}
}

func TestFailure_SaysWhatToDo(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{"42P01": "sluice db migrate", "42501": "grant", "28P01": "password", "22P03": "types"} {
		if got := Failure(1, &pgconn.PgError{Code: code}).Error(); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want it to contain %q", code, got, want)
		}
	}
}
