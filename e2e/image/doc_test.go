// Package image builds the Dockerfile as it is, by BuildKit, for both architectures, with an SBOM and provenance, as make image
// and make image-kubernetes do. Two things cannot be pulled in every place and are replaced: the image of Go, by the Go of the
// machine with a shell, and the scanner that writes the SBOM, by the same syft around which that one is built.
package image
