// Package device simulates a fleet of devices, for tests and demonstrations.
//
// Each device is an MQTT 5 connection of its own with a last will. It announces
// itself on `connect`, answers every `pulse` with a reading, and keeps a reading
// until the broker has acknowledged it: after a reconnect it sends the same
// bytes again, oldest first.
//
//	fleet, err := device.New(device.Config{Address: "127.0.0.1:1883", Count: 20})
//	err = fleet.Run(ctx)
//
// Per device run a goroutine that takes readings, one that owns the connection,
// and those of the MQTT client.
package device
