package presence

import (
	"time"

	"google.golang.org/protobuf/proto"

	"sluice"
	"sluice/gen/msg"
)

// Read implements sluice.Attendant. The name in the topic, where there is one,
// is whom the broker let publish: a payload that names another is refused.
func (k *Keeper) Read(kind sluice.MoveKind, device string, payload []byte) (sluice.Move, *sluice.BadMessage) {
	m := sluice.Move{Kind: kind}
	var err error
	switch kind {
	case sluice.MoveConnect:
		var c msg.Connect
		err = proto.Unmarshal(payload, &c)
		m.Device = c.GetDevice()
	case sluice.MoveWill:
		var w msg.LWT
		err = proto.Unmarshal(payload, &w)
		m.Device, m.Delay = w.GetDevice(), k.delay(w.GetDelay()).Microseconds()
	}
	switch {
	case err != nil:
		return m, &sluice.BadMessage{Reason: sluice.ReasonDecode, Device: device, Detail: err.Error()}
	case !sluice.ValidName(m.Device):
		return m, &sluice.BadMessage{Reason: sluice.ReasonDeviceName, Device: device, Detail: sluice.NameRule}
	case device != "" && device != m.Device:
		return m, &sluice.BadMessage{Reason: sluice.ReasonIdentity, Device: device, Detail: "the payload names " + m.Device}
	}
	return m, nil
}

// delay clamps a will's seconds to the configured limits.
func (k *Keeper) delay(seconds int64) time.Duration {
	least, most := int64(k.config.MinDelay/time.Second), int64(k.config.MaxDelay/time.Second)
	if seconds > most {
		return k.config.MaxDelay
	}
	return max(time.Duration(max(seconds, least))*time.Second, k.config.MinDelay)
}
