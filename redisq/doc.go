// Package redisq is the queue on Redis 7 or later (or Valkey 8).
//
// Every move of a batch is one Lua script in scripts/, whose header says why it
// must be atomic. Messages lie in lists of frames; a frame is one list element
// unless a batch boundary cuts it, and a batch is sealed by renaming its list,
// so that Redis touches a message's bytes three times in its life: push, read,
// delete. All keys of a facility carry its name as hash tag (see keys.go).
//
// Only append may be refused for lack of memory. Every other script is allowed
// to run in a full Redis, or it could never drain.
package redisq
