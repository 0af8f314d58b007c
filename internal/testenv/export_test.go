package testenv

// Internals that tests call.
var (
	FindBinary = findBinary
	Alive      = alive
)
