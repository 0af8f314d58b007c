// Package server is the front door: a server to which devices connect directly, in
// MQTT 3.1.1 and 5, so that PUBACK means stored. It is no general broker: every
// message that a route wants goes to the engine of package sluice, whose Source it
// is; the rest is passed on to those devices that are subscribed, here and on other
// replicas, and stored nowhere.
//
// One goroutine per connection reads. What a read brought goes into the inbox that
// all share, under one lock; the engine takes the whole inbox, appends it, and only
// then has the PUBACKs written: a write per connection that does not wait for the
// client. When the inbox is full nobody reads, which holds the devices back.
//
//	        CONNECT                           error, keepalive, 0x04: its will applies
//	accept ---------> registered <--> reading -----------------------------> ended
//	   |    refused       in the      |  full inbox: waits                     ^
//	   +-------> closed   registry    +-- DISCONNECT: no will -----------------+
//	                                  +-- taken over, session closed: the registry has it
//
// A connection that ends while the server lives on is told to the registry at once,
// with its last will unless the client said DISCONNECT. That holds for those that the
// server ends, too: whose user is gone, who does not read, whose queue is full. Only a
// takeover and the end of the session say nothing: there the registry knows better.
//
// What is not offered: QoS 2, retained messages (RETAIN of a 3.1.1 client is not
// looked at, a v5 client is disconnected), shared subscriptions, subscription
// identifiers, topic aliases, messages for clients that are away.
//
// Statement numbers such as [MQTT-4.6.0-2] are those of MQTT 5.0.
package server
