// Package apidocs holds the tests of what docs/api.md tells readers of the API to
// do, with the very tools that it names: grpcurl, curl and the Python client, on
// a real api. There is no code in it.
package apidocs
