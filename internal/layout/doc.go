// Package layout holds the rules about which package may import which, as a
// test: see layout_test.go.
package layout
