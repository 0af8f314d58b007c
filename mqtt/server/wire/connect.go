package wire

// NeverExpires is the session expiry interval of a session without end
// [MQTT 3.1.2.11.2].
const NeverExpires = 0xFFFFFFFF

// Connect is what a CONNECT says [MQTT 3.1]. It keeps nothing of the packet's
// bytes. What a 3.1.1 client cannot say has the value that MQTT 5 gives to a
// property that is left out.
type Connect struct {
	Version    Version
	ClientID   string // up to 65535 bytes; "": the server assigns one
	CleanStart bool   // 3.1.1: clean session
	KeepAlive  uint16 // s; 0: none

	HasUser     bool
	User        string
	HasPassword bool
	Password    []byte

	Will *Will // nil: none

	// SessionExpiry is how long the session outlives the connection, in s, up to
	// NeverExpires. For 3.1.1 it is what the clean session flag stands for: 0 or
	// NeverExpires.
	SessionExpiry    uint32
	HasSessionExpiry bool // the client said it: then a changed one goes into the CONNACK

	ReceiveMaximum    uint16 // QoS 1 messages in flight to the client, 1 to 65535
	MaximumPacketSize uint32 // bytes; 0: no limit
	TopicAliasMaximum uint16
	// RequestProblem false forbids a reason string on everything but PUBLISH,
	// CONNACK and DISCONNECT [MQTT-3.1.2-29].
	RequestProblem  bool
	RequestResponse bool

	HasAuthMethod bool
	AuthMethod    string
	AuthData      []byte
}

// Will is the message to publish when the connection ends without a DISCONNECT
// [MQTT 3.1.3.2].
type Will struct {
	Topic   string // a valid topic name
	Payload []byte // up to 65535 bytes
	// QoS is 0 to 2: whether 2 is refused (QoSNotSupported [MQTT-3.2.2-12]) is the
	// server's to say.
	QoS    byte
	Retain bool
	Delay  uint32 // s
	// HasExpiry and Expiry (s) are the message's, counted from its publication.
	HasExpiry bool
	Expiry    uint32
	// Properties are those to forward, encoded, as in Publish.
	Properties []byte
}

// Connect flags [MQTT 3.1.2.3].
const (
	flagReserved   = 0x01
	flagCleanStart = 0x02
	flagWill       = 0x04
	maskWillQoS    = 0x18
	flagWillRetain = 0x20
	flagPassword   = 0x40
	flagUser       = 0x80
)

// ParseConnect reads a CONNECT. Beside an error Version is the one to answer in,
// by CONNACK; 0 says that the client speaks no MQTT: close without a word.
func ParseConnect(p Packet) (Connect, error) {
	c := Connect{ReceiveMaximum: 65535, RequestProblem: true}
	r := newReader(0, p, CONNECT)
	c.Version = r.version()
	if c.Version == V5 && p.Padded {
		r.fail(errPadded(CONNECT))
	}
	flags := r.uint8("connect flags")
	if err := checkConnectFlags(c.Version, flags); err != nil {
		r.fail(err)
	}
	c.CleanStart = flags&flagCleanStart != 0
	c.KeepAlive = r.uint16("keep alive")
	c.readProperties(&r)
	c.readPayload(&r, flags)
	return c, r.end()
}

// version reads the protocol name and level. A level that is not served is an
// error, and the version returned is the nearest one that the client may
// understand an answer in.
func (r *reader) version() Version {
	name := string(r.binary("protocol name"))
	level := r.uint8("protocol version")
	switch {
	case r.err != nil:
		return 0
	case name == "MQTT" && (level == byte(V311) || level == byte(V5)):
		return Version(level)
	case name == "MQTT" && level > byte(V5):
		r.fail(refuse(UnsupportedVersion, "MQTT-3.1.2-2", "protocol version %d is not supported", level))
		return V5
	case name == "MQTT", name == "MQIsdp": // MQIsdp: 3.1, which has the CONNACK of 3.1.1
		r.fail(refuse(UnsupportedVersion, "MQTT-3.1.2-2", "protocol %s version %d is not supported", name, level))
		return V311
	}
	r.fail(refuse(UnsupportedVersion, "MQTT-3.1.2-1", "the protocol name is not MQTT"))
	return 0
}

func checkConnectFlags(v Version, flags byte) error {
	willQoS := flags & maskWillQoS
	switch {
	case flags&flagReserved != 0:
		return malformed("MQTT-3.1.2-3", "CONNECT with its reserved flag set")
	case flags&flagWill == 0 && willQoS != 0:
		return malformed("MQTT-3.1.2-11", "CONNECT with a will QoS but no will")
	case flags&flagWill == 0 && flags&flagWillRetain != 0:
		return malformed("MQTT-3.1.2-13", "CONNECT with will retain but no will")
	case willQoS == maskWillQoS:
		return malformed("MQTT-3.1.2-12", "CONNECT with will QoS 3")
	case v == V311 && flags&flagUser == 0 && flags&flagPassword != 0:
		return malformed("MQTT311-3.1.2-22", "CONNECT with a password but no user name")
	}
	return nil
}

// readProperties reads the properties, or fills in what 3.1.1 means.
func (c *Connect) readProperties(r *reader) {
	if c.Version != V5 {
		if !c.CleanStart {
			c.SessionExpiry = NeverExpires
		}
		return
	}
	ps := r.properties(CONNECT)
	for p, ok := ps.next(); ok; p, ok = ps.next() {
		c.set(&ps, p)
	}
	if c.AuthData != nil && !c.HasAuthMethod {
		ps.fail(violation("", "CONNECT with authentication data but no method"))
	}
	r.fail(ps.err)
}

func (c *Connect) set(ps *properties, p property) {
	switch p.id {
	case propSessionExpiry:
		c.HasSessionExpiry, c.SessionExpiry = true, p.number
	case propReceiveMaximum:
		c.ReceiveMaximum = uint16(ps.nonzero(p, ""))
	case propMaximumPacketSize:
		c.MaximumPacketSize = ps.nonzero(p, "")
	case propTopicAliasMaximum:
		c.TopicAliasMaximum = uint16(p.number)
	case propRequestProblem:
		c.RequestProblem = p.number == 1
	case propRequestResponse:
		c.RequestResponse = p.number == 1
	case propAuthMethod:
		c.HasAuthMethod, c.AuthMethod = true, string(p.value)
	case propAuthData:
		c.AuthData = append([]byte{}, p.value...)
	}
}

// readPayload reads the fields in their fixed order [MQTT-3.1.3-1].
func (c *Connect) readPayload(r *reader, flags byte) {
	c.ClientID = string(r.utf8("client identifier", "MQTT-3.1.3-4"))
	if c.Version == V311 && c.ClientID == "" && !c.CleanStart && r.err == nil {
		r.fail(refuse(ClientIDNotValid, "MQTT311-3.1.3-8", "no client identifier, though the session is not clean"))
	}
	if flags&flagWill != 0 {
		c.Will = r.will(c.Version, flags)
	}
	if c.HasUser = flags&flagUser != 0; c.HasUser {
		c.User = string(r.utf8("user name", "MQTT-3.1.3-12"))
	}
	if c.HasPassword = flags&flagPassword != 0; c.HasPassword {
		c.Password = append([]byte{}, r.binary("password")...)
	}
}

func (r *reader) will(v Version, flags byte) *Will {
	w := &Will{QoS: flags & maskWillQoS >> 3, Retain: flags&flagWillRetain != 0}
	if v == V5 {
		w.readProperties(r)
	}
	topic := r.binary("will topic")
	if r.err == nil {
		r.fail(checkTopic(topic, "will topic", "MQTT-3.1.3-11", "MQTT-4.7.0-1"))
	}
	w.Topic = string(topic)
	w.Payload = append([]byte{}, r.binary("will payload")...)
	return w
}

func (w *Will) readProperties(r *reader) {
	ps := r.properties(inWill)
	for p, ok := ps.next(); ok; p, ok = ps.next() {
		switch p.id {
		case propWillDelay:
			w.Delay = p.number
		case propExpiry:
			w.HasExpiry, w.Expiry = true, p.number
		default:
			ps.checkForwarded(p)
			w.Properties = append(w.Properties, p.raw...)
		}
	}
	r.fail(ps.err)
}
