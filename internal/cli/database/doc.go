// Package database holds the commands that copy a database, put a copy back,
// and carry everything to another engine.
package database
