package access

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dockit-registry/dockit/internal/printable"
)

// MaxPlaceholderLength is the longest name of a placeholder, in bytes.
const MaxPlaceholderLength = 64

// ErrInvalidPlaceholder is returned for a name that no placeholder can have.
var ErrInvalidPlaceholder = errors.New("invalid placeholder")

// ValidatePlaceholder reports why there cannot be a placeholder of that name beside
// {username}, or nil. Errors: [ErrInvalidPlaceholder].
func ValidatePlaceholder(name string) error {
	var fault string
	switch {
	case name == "":
		fault = "the name is empty"
	case len(name) > MaxPlaceholderLength:
		fault = fmt.Sprintf("the name is %d bytes long, at most %d are allowed", len(name), MaxPlaceholderLength)
	case !isComponent(name):
		fault = "use lower-case letters and digits, separated by '.', '_' or dashes"
	case meansUsername(name):
		fault = "it could be taken for " + placeholder + ": choose another name"
	default:
		return nil
	}
	return fmt.Errorf("%w %q: %s", ErrInvalidPlaceholder, printable.Clip(name), fault)
}

// meansUsername reports whether a name is {username}, or what people write for it.
func meansUsername(name string) bool {
	switch strings.NewReplacer("-", "", "_", "", ".", "").Replace(name) {
	case "username", "user", "usr":
		return true
	default:
		return false
	}
}

// exposed is the name of the placeholder that a component of a pattern is, or empty.
func exposed(component string) string {
	name, begins := strings.CutPrefix(component, "{")
	name, ends := strings.CutSuffix(name, "}")
	if !begins || !ends || ValidatePlaceholder(name) != nil {
		return ""
	}
	return name
}

// firstExposed is the name of the first placeholder within a component, or empty.
func firstExposed(component string) string {
	for _, rest := range strings.Split(component, "{")[1:] {
		name, _, closed := strings.Cut(rest, "}")
		if closed && ValidatePlaceholder(name) == nil {
			return name
		}
	}
	return ""
}

// Placeholders are the names of those that the permission holds beside {username}, in
// their order.
func (p Permission) Placeholders() []string {
	if p.Type == Registry || !strings.Contains(p.Name, "{") {
		return nil
	}
	var names []string
	for component := range strings.SplitSeq(p.Name, "/") {
		if name := exposed(component); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// Values are what placeholders beside {username} stand for, by their names: what a
// binding exposes of the token that a robot logged in with.
type Values map[string]string

// Usable are the values that can be a component of a repository. Nothing else is ever
// one: a value with a slash, a wildcard or a capital letter stands for nothing.
func (v Values) Usable() Values {
	usable := make(Values, len(v))
	for name, value := range v {
		if len(value) <= MaxRepositoryLength && isComponent(value) {
			usable[name] = value
		}
	}
	return usable
}
