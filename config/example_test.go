package config_test

import (
	"fmt"
	"os"

	"sluice/config"
)

// A service reads the keys it uses and tells everything that is wrong at once.
func ExampleLoad() {
	file, err := os.CreateTemp("", "sluice-*.yaml")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(file.Name())
	fmt.Fprint(file, "broker: {url: mqtts://broker}\nclock: {interval: 1m}\n")
	_ = file.Close()

	c, err := config.Load(file.Name(), os.Environ(), config.Only("broker", "clock"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(config.ExitStatus)
	}
	fmt.Println(c.Broker.Address(), c.Clock.Interval)
	// Output: broker:8883 1m0s
}
