// Package litefile is the SQLite file that one process works on: who owns it, how
// connections to it are opened, how writers take turns, and what its errors mean.
// Package liteq keeps the queue in it, package store/sqlite the rows; both are
// given a File by whoever puts them together.
//
// Beside sluice.db lie sluice.db-wal and sluice.db-shm, which are SQLite's,
// sluice.db.lock, which says whose it is, and sluice.db.reserve, which is room on the
// disk that is given up so that a full disk can drain.
package litefile
