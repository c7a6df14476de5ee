package registryclient

import (
	"encoding/json"
	"regexp"

	"github.com/dockit-registry/dockit/internal/printable"
)

// maxText is how much of a text is kept, in bytes.
const maxText = 1024

// Text is what a registry or an image says of itself: on one line, without what
// hides or turns text round, and not long. It may look like markup.
type Text string

// UnmarshalJSON implements [json.Unmarshaler]. What is no string is no text.
func (t *Text) UnmarshalJSON(data []byte) error {
	*t = ""
	if len(data) == 0 || data[0] != '"' {
		return nil
	}
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	*t = Text(printable.Line(printable.ClipTo(s, maxText)))
	return nil
}

// Digest names a content by its hash.
type Digest string

// digestForm is that of the algorithms that registries use.
var digestForm = regexp.MustCompile(`^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`)

// ParseDigest reads a digest by sha256 or sha512.
func ParseDigest(s string) (Digest, bool) {
	if len(s) > maxDigest || !digestForm.MatchString(s) {
		return "", false
	}
	return Digest(s), true
}

// maxDigest is how long one by sha512 is.
const maxDigest = len("sha512:") + 128

// UnmarshalJSON implements [json.Unmarshaler]. What is no digest is left empty.
func (d *Digest) UnmarshalJSON(data []byte) error {
	*d = ""
	if len(data) > maxDigest+len(`""`) {
		return nil
	}
	var s string
	if err := json.Unmarshal(data, &s); err == nil {
		*d, _ = ParseDigest(s)
	}
	return nil
}

// tagForm is what the specification allows.
var tagForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

// IsTag reports whether a name can be that of a tag.
func IsTag(name string) bool { return len(name) <= 128 && tagForm.MatchString(name) }
