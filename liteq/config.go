package liteq

import "fmt"

// Config says what the queue may hold.
type Config struct {
	// MaxBytes is how many bytes of records may be queued before Append answers ErrFull.
	// 0 or below is no limit but that of the disk.
	MaxBytes int64
	// DeadPerDevice is how many dead letters of a device are kept per hour; beyond it
	// every 1000th. 0 is 1000. Letters without a device share one quota.
	DeadPerDevice int
}

// DefaultDeadPerDevice is the default of Config.DeadPerDevice.
const DefaultDeadPerDevice = 1000

func (c Config) resolve() (Config, error) {
	if c.DeadPerDevice == 0 {
		c.DeadPerDevice = DefaultDeadPerDevice
	}
	if c.DeadPerDevice < 0 {
		return c, fmt.Errorf("dead letters per device %d: use 1 or more", c.DeadPerDevice)
	}
	return c, nil
}
