// Package mqtt connects the router to an MQTT 5 broker.
//
// Source opens receiving sessions (sluice.Source): one buffered read of the
// connection brings many messages, one write acknowledges them all. PUBLISH and
// PUBACK are parsed and written here, because a library costs ten times as much
// per message; every other packet goes through the codec of paho.golang.
//
// Publisher sends messages and waits for the broker's word on each; it is for
// programs that publish little, such as the clock.
//
// References such as [MQTT-3.3.2-2] are to the statements of the OASIS
// standard "MQTT Version 5.0".
package mqtt
