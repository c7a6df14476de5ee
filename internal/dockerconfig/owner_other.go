//go:build !unix

package dockerconfig

import "os"

// keepOwner does nothing where files have no such owners.
func keepOwner(string, *os.File) {}
