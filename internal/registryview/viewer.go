package registryview

import (
	"fmt"

	"github.com/dockit-registry/dockit/access"
)

// Viewer is who looks.
type Viewer struct {
	// Name is the subject of tokens, empty for who has not logged in.
	Name string
	// Rights are what the viewer may do.
	Rights *access.Rights
	// Within limit them further, each by itself: those of a credential. Default:
	// nothing does.
	Within []*access.Rights
}

// Allowed is what the viewer may do to a repository.
func (v Viewer) Allowed(repository string) access.Actions {
	allowed := v.Rights.Allowed(access.Repository, repository)
	for _, rights := range v.Within {
		allowed &= rights.Allowed(access.Repository, repository)
	}
	return allowed
}

// mayPull reports whether the viewer may see a repository.
func (v Viewer) mayPull(repository string) bool { return v.Allowed(repository).Has(access.Pull) }

// scope is what of some actions a token for the viewer holds.
func (v Viewer) scope(repository string, actions access.Actions) (access.Scope, error) {
	allowed := v.Allowed(repository) & actions
	if allowed != actions {
		return access.Scope{}, fmt.Errorf("%w: %s %s", ErrNotAllowed, actions&^allowed, repository)
	}
	return access.Scope{Type: access.Repository, Name: repository, Actions: actions}, nil
}
