// Package wire is the server's side of the MQTT wire format: it reads the
// packets that a client may send and writes those that a server may send, in
// MQTT 3.1.1 and 5. It knows nothing of connections and sessions; what depends
// on them (a topic alias that was announced, a session expiry that may not
// grow) is left to the server, and the comments say so.
//
// Reading is strict: what the specification calls a malformed packet or a
// protocol error, as far as one packet shows it, is an *Error with the reason
// code to answer with. Nothing panics, whatever the bytes.
//
// All functions are pure and safe for concurrent use. Section and statement
// numbers are those of MQTT 5.0 (OASIS Standard, 7 March 2019); the prefix
// MQTT311 names MQTT 3.1.1, whose numbers differ.
package wire
