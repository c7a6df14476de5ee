package token

import (
	"errors"
	"fmt"

	"github.com/dockit-registry/dockit/internal/printable"
)

// Profile is how the tokens for a registry name the key that signed them. It
// follows from how the registry was told to trust Dockit.
type Profile string

const (
	// ProfileX5C is for distribution with a certificate bundle: the token
	// carries the certificate of its key, so that keys may change while the
	// registry runs.
	ProfileX5C Profile = "x5c"
	// ProfileJWKS is for distribution 3 with a JWK set and no bundle: the token
	// names its key and carries no certificate, which would be refused.
	ProfileJWKS Profile = "jwks"
	// ProfileZot is for zot. Its tokens look as those of [ProfileX5C]; it
	// differs in how it asks for the catalog, and it needs a key of its own,
	// for zot looks neither at the audience nor at the issuer of a token.
	ProfileZot Profile = "zot"
)

// errInvalidProfile is returned for anything but x5c, jwks or zot.
var errInvalidProfile = errors.New("invalid profile")

// ParseProfile reads a profile.
func ParseProfile(s string) (Profile, error) {
	switch p := Profile(s); p {
	case ProfileX5C, ProfileJWKS, ProfileZot:
		return p, nil
	default:
		return "", fmt.Errorf("%w %q: use x5c, jwks or zot", errInvalidProfile, printable.Clip(s))
	}
}

// carriesCertificates reports whether tokens have the x5c header.
func (p Profile) carriesCertificates() bool { return p != ProfileJWKS }
