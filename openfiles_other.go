//go:build !unix

package dockit

import "math"

// maxOpenFiles is how many files and connections the process may have open.
func maxOpenFiles() int { return math.MaxInt32 }
