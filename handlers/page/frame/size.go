package frame

import (
	"github.com/dustin/go-humanize"

	"github.com/dockit-registry/dockit/internal/registryclient"
)

// sized writes a size for people.
func sized(s registryclient.Size) string { return humanize.Bytes(uint64(max(s, 0))) }

// ShortDigest is as much of a digest as people compare.
func ShortDigest(d registryclient.Digest) string {
	const most = len("sha256:") + 12
	return string(d[:min(len(d), most)])
}
