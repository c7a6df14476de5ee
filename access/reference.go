package access

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/dockit-registry/dockit/internal/printable"
)

// WithoutHost takes the host off the name of a repository, or of a permission,
// that begins with one that has a port or is an address in brackets. A registry
// asks for what is left: what a client writes before it, localhost:5000 in
// localhost:5000/web/app, only says to the client where the registry is. ok is
// false without such a host. A host without a port cannot be distinguished from
// the beginning of a name.
func WithoutHost(name string) (repository string, ok bool) {
	first, rest, several := strings.Cut(name, "/")
	if !several || !isHost(exemplar(first)) {
		return "", false
	}
	return rest, true
}

// FitsUsername reports whether a permission can cover anything for a user or
// robot: {username} never stands for a name with an @, which no repository has.
func (p Permission) FitsUsername(username string) bool {
	return !strings.Contains(p.Name, placeholder) || !strings.Contains(username, "@")
}

var (
	tagged = regexp.MustCompile(`^(.+):([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})$`)
	digest = regexp.MustCompile(`^(.+?)(?::[A-Za-z0-9_.-]+)?@[a-z0-9.+_-]+:[0-9A-Fa-f]+$`)
)

// referenceFault reports the last component of a name that is a reference: one
// with a tag or a digest. It says nothing of other components.
func referenceFault(component string) string {
	if found := digest.FindStringSubmatch(component); found != nil {
		return fmt.Sprintf("%q has a digest, and a permission is for a repository with all that is in it: write %q", printable.Clip(component), printable.Clip(found[1]))
	}
	if found := tagged.FindStringSubmatch(component); found != nil && !strings.HasPrefix(component, "[") {
		return fmt.Sprintf("%q has the tag %q, and a permission is for a repository with all its tags: write %q", printable.Clip(component), printable.Clip(found[2]), printable.Clip(found[1]))
	}
	return ""
}
