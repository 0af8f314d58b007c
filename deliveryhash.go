package sluice

// DeliveryHash is the hash of a message in Delivered: with it a Source that keeps
// Connected.Delivered recognises what was appended before (see Delivery.Known).
func DeliveryHash(topic, payload []byte) uint64 { return hashOf(topic, payload) }
