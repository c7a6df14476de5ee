// Package litestream tests Dockit with a real Litestream beside it: what is left when the machine with both is lost, with
// and without waiting for the replica. `make test-litestream` runs it.
package litestream
