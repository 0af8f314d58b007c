// Package sqlite keeps rows, devices, outages and dead letters in an SQLite file, beside
// the queue of package liteq: what store/postgres does with a server. It is for a site
// that stays small: each page in order of devices, and each page of an aggregation, looks
// at every row of the facility.
package sqlite
