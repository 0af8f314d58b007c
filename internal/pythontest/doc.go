// Package pythontest tests the Python client of folder python: its unittest
// modules against a real api on a real PostgreSQL, and the example of four runs of
// four pulses against the whole pipeline. It has nothing but tests. The interpreter
// is the one that scripts/python.sh finds.
package pythontest
