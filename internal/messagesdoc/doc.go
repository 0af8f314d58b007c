// Package messagesdoc holds the tests of docs/messages.md: that it names every field and
// every reason of the contract, and that its lines for mosquitto_pub, mosquitto_sub and
// protoc do what it says, on a real broker, router and database. There is no code in it.
package messagesdoc
