package federation

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/internal/printable"
)

// Kind is what sort of issuer it is, and so what its claims mean.
type Kind string

const (
	// GitHub is GitHub Actions, also that of an Enterprise Server, and Forgejo
	// Actions.
	GitHub Kind = "github"
	// GitLab is GitLab CI.
	GitLab Kind = "gitlab"
	// Buildkite is Buildkite, one issuer for all of its customers.
	Buildkite Kind = "buildkite"
	// CircleCI is CircleCI, an issuer for each organization.
	CircleCI Kind = "circleci"
	// Bitbucket is Bitbucket Pipelines, an issuer for each workspace.
	Bitbucket Kind = "bitbucket"
	// Kubernetes is a cluster, whose tokens are those of service accounts.
	Kubernetes Kind = "kubernetes"
	// Google is accounts.google.com, one issuer for everybody.
	Google Kind = "google"
	// Generic is every other issuer. Nothing is known of its claims.
	Generic Kind = "generic"
)

// Kinds lists every kind, in the order in which they are shown. It is not to be
// changed.
var Kinds = []Kind{GitHub, GitLab, Buildkite, CircleCI, Bitbucket, Kubernetes, Google, Generic}

// ErrInvalidKind is returned for a kind that is not known.
var ErrInvalidKind = errors.New("invalid kind of issuer")

// ParseKind reads a kind; the empty text is [Generic]. Errors: [ErrInvalidKind].
func ParseKind(s string) (Kind, error) {
	if s == "" {
		return Generic, nil
	}
	if !slices.Contains(Kinds, Kind(s)) {
		return "", fmt.Errorf("%w %q: use %s", ErrInvalidKind, printable.Clip(s), kindList())
	}
	return Kind(s), nil
}

// kindList names every kind.
func kindList() string {
	names := make([]string, len(Kinds))
	for i, k := range Kinds {
		names[i] = string(k)
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}
