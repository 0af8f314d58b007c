package config

import _ "embed"

//go:embed example.yaml
var example string

// Example returns a configuration file that explains every key. It loads as it
// is; what is commented out shows the default or an example.
func Example() string { return example }
