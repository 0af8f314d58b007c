package app

// ListenAdmin is listenAdmin for the tests.
var ListenAdmin = listenAdmin
