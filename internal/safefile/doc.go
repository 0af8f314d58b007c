// Package safefile writes the small files that other programs read while they run:
// keys, certificates, passwords, rights. A reader sees the old content or the new,
// never a part; what a function has returned from survives a loss of power.
package safefile
