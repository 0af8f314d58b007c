// Package api serves what is stored over gRPC: sluice.v1.SluiceService, and
// service.Query for the first clients. It reads a Store and nothing else.
//
// Every call passes two interceptors. The outer one gives errors their codes and
// tells the observer; the inner one admits the caller. Handlers get numbers of
// facilities, without which nothing can be read, from Server.facilities alone,
// and that gives only what the caller may read.
package api
