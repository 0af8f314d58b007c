package wire

import "fmt"

// Reason is a reason code of MQTT 5 [MQTT 2.4]. Codes from 0x80 on are failures.
type Reason byte

// The reason codes that a server without QoS 2 sends or reads.
const (
	Success                     Reason = 0x00 // in SUBACK: granted QoS 0; in DISCONNECT: normal
	GrantedQoS1                 Reason = 0x01
	GrantedQoS2                 Reason = 0x02
	DisconnectWithWill          Reason = 0x04
	NoMatchingSubscribers       Reason = 0x10
	NoSubscriptionExisted       Reason = 0x11
	Unspecified                 Reason = 0x80
	MalformedPacket             Reason = 0x81
	ProtocolError               Reason = 0x82
	ImplementationSpecific      Reason = 0x83
	UnsupportedVersion          Reason = 0x84
	ClientIDNotValid            Reason = 0x85
	BadUserOrPassword           Reason = 0x86
	NotAuthorized               Reason = 0x87
	ServerUnavailable           Reason = 0x88
	ServerBusy                  Reason = 0x89
	Banned                      Reason = 0x8A
	ServerShuttingDown          Reason = 0x8B
	BadAuthMethod               Reason = 0x8C
	KeepAliveTimeout            Reason = 0x8D
	SessionTakenOver            Reason = 0x8E
	TopicFilterInvalid          Reason = 0x8F
	TopicNameInvalid            Reason = 0x90
	PacketIDInUse               Reason = 0x91
	ReceiveMaximumExceeded      Reason = 0x93
	TopicAliasInvalid           Reason = 0x94
	PacketTooLarge              Reason = 0x95
	MessageRateTooHigh          Reason = 0x96
	QuotaExceeded               Reason = 0x97
	AdministrativeAction        Reason = 0x98
	PayloadFormatInvalid        Reason = 0x99
	RetainNotSupported          Reason = 0x9A
	QoSNotSupported             Reason = 0x9B
	UseAnotherServer            Reason = 0x9C
	ServerMoved                 Reason = 0x9D
	SharedNotSupported          Reason = 0x9E
	ConnectionRateExceeded      Reason = 0x9F
	MaximumConnectTime          Reason = 0xA0
	SubscriptionIDsNotSupported Reason = 0xA1
	WildcardNotSupported        Reason = 0xA2
)

var reasonNames = map[Reason]string{ //nolint:gosec // names, no credentials
	Success: "success", GrantedQoS1: "granted QoS 1", GrantedQoS2: "granted QoS 2",
	DisconnectWithWill: "disconnect with will message", NoMatchingSubscribers: "no matching subscribers",
	NoSubscriptionExisted: "no subscription existed", Unspecified: "unspecified error",
	MalformedPacket: "malformed packet", ProtocolError: "protocol error",
	ImplementationSpecific: "implementation specific error", UnsupportedVersion: "unsupported protocol version",
	ClientIDNotValid: "client identifier not valid", BadUserOrPassword: "bad user name or password",
	NotAuthorized: "not authorized", ServerUnavailable: "server unavailable", ServerBusy: "server busy",
	Banned: "banned", ServerShuttingDown: "server shutting down", BadAuthMethod: "bad authentication method",
	KeepAliveTimeout: "keep alive timeout", SessionTakenOver: "session taken over",
	TopicFilterInvalid: "topic filter invalid", TopicNameInvalid: "topic name invalid",
	PacketIDInUse: "packet identifier in use", ReceiveMaximumExceeded: "receive maximum exceeded",
	TopicAliasInvalid: "topic alias invalid", PacketTooLarge: "packet too large",
	MessageRateTooHigh: "message rate too high", QuotaExceeded: "quota exceeded",
	AdministrativeAction: "administrative action", PayloadFormatInvalid: "payload format invalid",
	RetainNotSupported: "retain not supported", QoSNotSupported: "QoS not supported",
	UseAnotherServer: "use another server", ServerMoved: "server moved",
	SharedNotSupported: "shared subscriptions not supported", ConnectionRateExceeded: "connection rate exceeded",
	MaximumConnectTime: "maximum connect time", SubscriptionIDsNotSupported: "subscription identifiers not supported",
	WildcardNotSupported: "wildcard subscriptions not supported",
}

// String returns the specification's name of the code, in lower case.
func (r Reason) String() string {
	if name, ok := reasonNames[r]; ok {
		return name
	}
	return fmt.Sprintf("reason code 0x%02X", byte(r))
}

// Failed reports whether the code is a failure.
func (r Reason) Failed() bool { return r >= 0x80 }

// ReturnCode gives the CONNACK return code of MQTT 3.1.1 for a reason [MQTT311
// 3.2.2.3]. ok is false where 3.1.1 has the server close the connection without
// a CONNACK: the CONNECT was malformed [MQTT311-3.1.4-1], or no code says what is
// wrong with it [MQTT311-3.2.2-6].
func ReturnCode(r Reason) (code byte, ok bool) {
	switch r {
	case Success:
		return 0, true
	case UnsupportedVersion:
		return 1, true
	case ClientIDNotValid:
		return 2, true
	case BadUserOrPassword:
		return 4, true
	case NotAuthorized, Banned, BadAuthMethod:
		return 5, true
	case MalformedPacket, ProtocolError, PacketTooLarge, QoSNotSupported, RetainNotSupported:
		return 0, false
	}
	if r.Failed() {
		return 3, true
	}
	return 0, false
}
