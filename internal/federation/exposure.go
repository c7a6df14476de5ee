package federation

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/printable"
)

// MaxExposures is how many claims a binding may expose.
const MaxExposures = 8

// ErrInvalidExposure is returned for an exposure outside the syntax.
var ErrInvalidExposure = errors.New("invalid exposure")

// Exposure lets permissions of the robot name a claim: {NAME} stands for what it says.
// As text, and so in JSON, it is written NAME=CLAIM: k8s.namespace=kubernetes.io/namespace.
type Exposure struct {
	// Name is that of the placeholder.
	Name string
	// Claim is the name of a claim, or the path to a nested one, joined with slashes.
	Claim string
}

// ParseExposure reads NAME=CLAIM. Errors: [ErrInvalidExposure].
func ParseExposure(s string) (Exposure, error) {
	name, claim, found := strings.Cut(s, "=")
	if !found {
		return Exposure{}, fmt.Errorf("%w %q: write NAME=CLAIM, for example k8s.namespace=%s", ErrInvalidExposure, printable.Clip(s), kubernetesNamespace)
	}
	e := Exposure{name, claim}
	return e, e.Validate()
}

// Validate reports why there cannot be such an exposure, or nil.
func (e Exposure) Validate() error {
	if err := access.ValidatePlaceholder(e.Name); err != nil {
		return fmt.Errorf("%w %q: %w", ErrInvalidExposure, printable.Clip(e.String()), err)
	}
	var fault string
	switch {
	case strings.Contains(e.Claim, "="):
		fault = "the name of a claim has no equals sign"
	case textFault(e.Claim, MaxClaimLength) != "":
		fault = "the name of the claim " + textFault(e.Claim, MaxClaimLength)
	default:
		return nil
	}
	return fmt.Errorf("%w %q: %s", ErrInvalidExposure, printable.Clip(e.String()), fault)
}

// String writes the exposure as [ParseExposure] reads it.
func (e Exposure) String() string { return e.Name + "=" + e.Claim }

// MarshalText implements [encoding.TextMarshaler]. It does not fail.
func (e Exposure) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler] as [ParseExposure] reads.
func (e *Exposure) UnmarshalText(text []byte) error {
	parsed, err := ParseExposure(string(text))
	if err != nil {
		return err
	}
	*e = parsed
	return nil
}

// Values are what placeholders stand for, by what was kept of the claims of a token. A
// claim that says nothing, or several things, or what is no component of a repository,
// stands for nothing.
func (b Binding) Values(kept Claims) access.Values {
	if len(b.Expose) == 0 {
		return nil
	}
	values := make(access.Values, len(b.Expose))
	for _, e := range b.Expose {
		claim, _ := kept.Find(e.Claim)
		if all := texts(claim); len(all) == 1 {
			values[e.Name] = all[0]
		}
	}
	return values.Usable()
}

// Keep is what has to be kept of claims to compare them with the conditions of the
// binding again, and for what it exposes.
func (b Binding) Keep(claims Claims) []KeptClaim {
	kept := Keep(b.Claims, claims)
	for _, e := range b.Expose {
		if slices.ContainsFunc(kept, func(k KeptClaim) bool { return k.Name == e.Claim }) {
			continue
		}
		value, _ := claims.Find(e.Claim)
		kept = append(kept, KeptClaim{e.Claim, keptValues(nil, value)})
	}
	return kept
}
