package wire

import "fmt"

// Error says why a packet was refused. The connection cannot go on after it:
// answer with Reason (CONNACK before the session has begun, DISCONNECT after,
// nothing where ReturnCode says so) and close [MQTT 4.13].
type Error struct {
	Reason Reason
	// Text says what is wrong, for a log and for the reason string.
	Text string
	// Statement is the normative statement that was broken: "MQTT-3.1.2-3" of
	// MQTT 5 (also where a 3.1.1 client broke the same rule), "MQTT311-3.1.2-22"
	// of MQTT 3.1.1 alone, "" where the rule has no number.
	Statement string
}

func (e *Error) Error() string {
	if e.Statement == "" {
		return e.Text
	}
	return e.Text + " [" + e.Statement + "]"
}

func refuse(reason Reason, statement, format string, args ...any) error {
	return &Error{Reason: reason, Text: fmt.Sprintf(format, args...), Statement: statement}
}

func malformed(statement, format string, args ...any) error {
	return refuse(MalformedPacket, statement, format, args...)
}

func violation(statement, format string, args ...any) error {
	return refuse(ProtocolError, statement, format, args...)
}
