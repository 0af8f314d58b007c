package store

import "sluice"

// IdentifySensor returns the device that a msg.SensorData names, a part of
// payload; nil when it is no reading or the name breaks the rule. Safe for
// concurrent use.
func IdentifySensor(payload []byte) []byte {
	var r Reading
	if DecodeReading(payload, &r) != "" || !sluice.ValidName(r.Device) {
		return nil
	}
	return r.Device
}
