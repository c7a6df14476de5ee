// Package release builds what a tag is released as, and looks at it as those do who get it: archives, packages, checksums, SBOMs,
// and the image. It stands apart from the other end-to-end tests because it builds Dockit for every platform:
// `make release-check` runs it.
package release
