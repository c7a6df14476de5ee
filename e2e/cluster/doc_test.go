// Package cluster tests two Dockits on a Galera cluster of three nodes that fail: one by one, apart from each other, and
// all at once. It stands apart from the other end-to-end tests because it keeps a machine busy for minutes:
// `make test-cluster` runs it.
package cluster
