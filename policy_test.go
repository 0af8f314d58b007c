package sluice

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestPolicy_Resolve(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		in, want Policy
	}{
		{"zero", Policy{}, Policy{5000, 8 << 20, 1, time.Second, 10 * time.Second}},
		{"never", Policy{-1, -2, -3, -4, -5}, Policy{Never, Never, Never, Never, Never}},
		{"as written", Policy{1, 2, 3, 4, 5}, Policy{1, 2, 3, 4, 5}},
		{"linger follows timeout", Policy{Timeout: time.Minute}, Policy{5000, 8 << 20, 1, time.Minute, 10 * time.Minute}},
		{"linger never without timeout", Policy{Timeout: Never}, Policy{5000, 8 << 20, 1, Never, Never}},
		{"linger alone", Policy{Timeout: Never, Linger: time.Hour}, Policy{5000, 8 << 20, 1, Never, time.Hour}},
		{"linger does not overflow", Policy{Timeout: math.MaxInt64}, Policy{5000, 8 << 20, 1, math.MaxInt64, math.MaxInt64 / 10 * 10}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := test.in.Resolve()
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if again := got.Resolve(); again != got {
				t.Errorf("resolved twice: got %+v, want %+v", again, got)
			}
		})
	}
}

func TestPolicy_Override(t *testing.T) {
	t.Parallel()
	base := Policy{1, 2, 3, 4, 5}
	tests := []struct {
		name       string
		over, want Policy
	}{
		{"nothing", Policy{}, base},
		{"everything", Policy{10, 20, 30, 40, 50}, Policy{10, 20, 30, 40, 50}},
		{"one field", Policy{Timeout: 40}, Policy{1, 2, 3, 40, 5}},
		{"never is a value", Policy{Max: Never, Linger: Never}, Policy{Never, 2, 3, 4, Never}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := base.Override(test.over); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestPolicy_Check(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		policy Policy
		want   []string // parts of the error; none: no error
	}{
		{"zero", Policy{}, nil},
		{"min equal to max", Policy{Max: 5, Min: 5}, nil},
		{"min above max", Policy{Max: 5, Min: 6}, []string{"min 6 is above max 5"}},
		{"min above the default max", Policy{Min: 5001}, []string{"min 5001 is above max 5000"}},
		{"min without max", Policy{Max: Never, Min: 9999}, nil},
		{"linger below timeout", Policy{Timeout: time.Minute, Linger: time.Second}, []string{"linger 1s is shorter than timeout 1m0s"}},
		{"linger equal to timeout", Policy{Timeout: time.Minute, Linger: time.Minute}, nil},
		{"linger without timeout", Policy{Timeout: Never, Linger: time.Millisecond}, nil},
		{"size only", Policy{Timeout: Never}, nil},
		{"bytes only", Policy{Max: Never, Timeout: Never}, nil},
		{"age only", Policy{Max: Never, MaxBytes: Never}, nil},
		{"never", Policy{Max: Never, MaxBytes: Never, Timeout: Never}, []string{"no batch would ever be sealed"}},
		{"never, min never", Policy{Max: Never, MaxBytes: Never, Min: Never, Linger: Never}, []string{"no batch would ever be sealed"}},
		{"min never, linger", Policy{Max: Never, MaxBytes: Never, Min: Never}, nil},
		{"two faults", Policy{Max: 2, Min: 3, Timeout: 2, Linger: 1}, []string{"min 3", "linger 1ns"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := test.policy.Check()
			if (err != nil) != (len(test.want) > 0) {
				t.Fatalf("got error %v, want %q", err, test.want)
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got error %v, want %q", err, part)
				}
			}
		})
	}
}

func TestPolicy_Wait(t *testing.T) {
	t.Parallel()
	const s = time.Second
	tests := []struct {
		name   string
		policy Policy
		count  int
		age    time.Duration
		want   time.Duration
		ok     bool
	}{
		{"empty", Policy{}, 0, s, 0, false},
		{"fresh", Policy{}, 1, 0, s, true},
		{"nearly", Policy{}, 1, s - 1, 1, true},
		{"now", Policy{}, 1, s, 0, true},
		{"overdue", Policy{}, 1, 3 * s, -2 * s, true},
		{"below min waits for linger", Policy{Min: 5}, 4, 2 * s, 8 * s, true},
		{"at min", Policy{Min: 5}, 5, s / 2, s / 2, true},
		{"at min, overdue", Policy{Min: 5}, 5, 2 * s, -s, true},
		{"below min, linger never", Policy{Min: 5, Linger: Never}, 4, 2 * s, 0, false},
		{"at min, linger never", Policy{Min: 5, Linger: Never}, 5, 0, s, true},
		{"min never", Policy{Min: Never}, 999, s, 9 * s, true},
		{"timeout never", Policy{Timeout: Never}, 999, s, 0, false},
		{"timeout never, linger", Policy{Timeout: Never, Linger: 3 * s}, 1, s, 2 * s, true},
		{"linger shorter than timeout", Policy{Timeout: 5 * s, Linger: 3 * s}, 1, s, 2 * s, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, ok := test.policy.Resolve().Wait(test.count, test.age)
			if got != test.want || ok != test.ok {
				t.Errorf("got %v, %v, want %v, %v", got, ok, test.want, test.ok)
			}
		})
	}
}
