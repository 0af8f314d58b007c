package mqtt

import "fmt"

// ReasonError is the refusal of a broker: a reason code in CONNACK, SUBACK,
// PUBACK or DISCONNECT.
type ReasonError struct {
	// Packet is the name of the packet that brought the code.
	Packet string
	// Code is the reason code [MQTT 2.4], 0x80 or above but for a DISCONNECT.
	Code byte
	// Reason is the broker's own text, often "". It is not escaped.
	Reason string
}

// Error names the code in words, with advice where an operator can do
// something.
func (e *ReasonError) Error() string {
	text := reasonText(e.Code)
	if e.Packet == "CONNACK" && connectAdvice[e.Code] != "" {
		text += "; " + connectAdvice[e.Code]
	}
	if e.Reason != "" {
		text += fmt.Sprintf(" (the broker says %q)", e.Reason)
	}
	return fmt.Sprintf("%s 0x%02X: %s", e.Packet, e.Code, text)
}

// Reason codes that this package sends or treats specially.
const (
	codeSuccess        = 0x00
	codeNoSubscribers  = 0x10
	codeMalformed      = 0x81
	codeProtocolError  = 0x82
	codeNotAuthorized  = 0x87
	codeAliasInvalid   = 0x94
	codePacketTooLarge = 0x95
	codeQoSUnsupported = 0x9B
)

func reasonText(code byte) string {
	if text, ok := reasonTexts[code]; ok {
		return text
	}
	return "reason not known"
}

// reasonTexts is read only.
var reasonTexts = map[byte]string{
	0x00: "normal",
	0x04: "disconnect with will message",
	0x10: "no matching subscribers",
	0x80: "unspecified error",
	0x81: "malformed packet",
	0x82: "protocol error",
	0x83: "implementation specific error",
	0x84: "unsupported protocol version",
	0x85: "client identifier not valid",
	0x86: "bad user name or password",
	0x87: "not authorized",
	0x88: "server unavailable",
	0x89: "server busy",
	0x8A: "banned",
	0x8B: "server shutting down",
	0x8C: "bad authentication method",
	0x8D: "keep alive timeout",
	0x8E: "session taken over",
	0x8F: "topic filter invalid",
	0x90: "topic name invalid",
	0x91: "packet identifier in use",
	0x93: "receive maximum exceeded",
	0x94: "topic alias invalid",
	0x95: "packet too large",
	0x96: "message rate too high",
	0x97: "quota exceeded",
	0x98: "administrative action",
	0x99: "payload format invalid",
	0x9A: "retain not supported",
	0x9B: "QoS not supported",
	0x9C: "use another server",
	0x9D: "server moved",
	0x9E: "shared subscriptions not supported",
	0x9F: "connection rate exceeded",
	0xA0: "maximum connect time",
	0xA1: "subscription identifiers not supported",
	0xA2: "wildcard subscriptions not supported",
}

// connectAdvice tells an operator what to do about a refused CONNECT. Read only.
var connectAdvice = map[byte]string{
	0x84: "the broker must speak MQTT 5",
	0x85: "choose another client id, or allow this one at the broker",
	0x86: "check the user name and the password",
	0x87: "check the user name and the password, and that the broker lets this user connect",
	0x8A: "the broker's administrator has banned this client",
	0x8C: "the broker demands an authentication method other than user name and password",
	0x97: "raise the broker's limit of connections or of this user",
	0x9C: "point the url at the server that the broker names",
	0x9D: "point the url at the server that the broker names",
}

// protocolError is a packet that breaks the standard. The connection ends with
// a DISCONNECT of its code.
type protocolError struct {
	code byte
	text string
}

func (e *protocolError) Error() string {
	return fmt.Sprintf("broker broke the protocol: %s (0x%02X)", e.text, e.code)
}

func malformed(text string) error { return &protocolError{codeMalformed, text} }
func violation(text string) error { return &protocolError{codeProtocolError, text} }
