package testenv

// FindBinary is findBinary, for tests.
var FindBinary = findBinary
