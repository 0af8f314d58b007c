// Package store has what all stores of rows share: how readings and changes of devices
// are decoded and judged before they reach a database, what a batch becomes, and the
// questions that readers ask. Below it is a package for each database.
package store
