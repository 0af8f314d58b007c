// Package presence judges which devices are down. It works beside the session
// that reads the broker: it reads the reserved topics, tells when a deadline may
// be judged, and what a restart of the broker means.
//
// A deadline that has passed says nothing by itself: the message that cancels it
// may still be on its way. So the keeper publishes a marker on the connection
// that it receives on. When the marker is back, everything sent before it has
// been applied, and only deadlines before that moment are judged. That one rule
// covers restarts of routers, outages of the store, stopped processes and
// backlogs alike.
//
// The keeper sleeps until the earliest deadline; it polls nothing but the
// store's clock, once a second.
package presence
