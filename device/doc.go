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
// # Outages
//
// Devices can be dropped without DISCONNECT, so that the broker publishes their
// wills, and made mute: by a schedule (Config.Drops; RandomDrops makes one from a
// seed) or at once (Fleet.Drop, PowerCut, Mute and Crash). A TruthLog has what
// they really did, and Outages what a router must, may and must not report of it:
//
//	drops, err := device.RandomDrops(device.Plan{Seed: 1, Devices: 20, Count: 50, Over: 10 * time.Minute})
//	cfg.Drops, cfg.Truth = drops, device.NewTruthLog(nil)
//	...
//	expected := device.Outages(fleet.Truth(), device.Observer{})
//
// The truth is told by the clock of the machine. A `connect` that nobody has
// subscribed to (PUBACK 0x10) is no announcement, so a router must be there before
// its fleet. A broker sees a dropped socket at once; what it makes of a cable that
// is cut, after one and a half keepalives, is not simulated.
//
// # Cost
//
// Per device run a goroutine that owns the connection, one that takes readings,
// and three of the MQTT client; together they hold about 25 KiB (see
// BenchmarkFleet_CostOfADevice).
package device
