package postgres

import "sluice"

// IdentifySensor returns the device that a msg.SensorData names, a part of
// payload; nil when it is no reading or the name breaks the rule. Safe for
// concurrent use.
func IdentifySensor(payload []byte) []byte {
	var r reading
	if decodeReading(payload, &r) != "" || !sluice.ValidName(r.device) {
		return nil
	}
	return r.device
}
