package e2e

import (
	"iter"
	"strings"
)

// lines yields the lines of a text that are not empty, without space around them.
func lines(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" && !yield(line) {
				return
			}
		}
	}
}
