// Package integration runs the stack of compose.yaml from nothing, as an installation
// would: images, secrets, TLS, two replicas. `make integration` runs it; it needs Docker.
package integration
