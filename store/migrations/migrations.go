// Package migrations holds the steps from an empty database to today's, a file
// for each, with the same names for every dialect.
package migrations

import (
	"embed"
	"io/fs"
)

//go:embed sqlite/*.sql mysql/*.sql
var files embed.FS

// Steps for one dialect each.
var (
	SQLite = mustSub("sqlite")
	MySQL  = mustSub("mysql")
)

func mustSub(dir string) fs.FS {
	sub, err := fs.Sub(files, dir)
	if err != nil {
		panic(err) // the folder is embedded
	}
	return sub
}
