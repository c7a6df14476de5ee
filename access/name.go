package access

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/dockit-registry/dockit/internal/printable"
)

// MaxRepositoryLength is the longest name of a repository that registries
// take, in bytes.
const MaxRepositoryLength = 255

const digits = "0123456789"

// ErrInvalidName is returned for a repository name that no registry takes.
var ErrInvalidName = errors.New("invalid repository name")

// ValidateRepository reports why name cannot be a repository, or nil. It takes
// the lower-case names that registries and clients agree on: components of
// letters and digits, separated within by one dot, one or two underscores or
// any number of dashes. The first of several components may be a host with a
// port.
func ValidateRepository(name string) error {
	if len(name) > MaxRepositoryLength {
		return fmt.Errorf("%w %q: %d bytes long, at most %d are allowed", ErrInvalidName, printable.Clip(name), len(name), MaxRepositoryLength)
	}
	if fault := nameFault(name); fault != "" {
		return fmt.Errorf("%w %q: %s", ErrInvalidName, name, fault)
	}
	return nil
}

// isRepository is [ValidateRepository] for the many names that need no
// explanation.
func isRepository(name string) bool {
	if len(name) > MaxRepositoryLength {
		return false
	}
	first, rest, several := strings.Cut(name, "/")
	if !isComponent(first) && !(several && isHost(first)) {
		return false
	}
	for several {
		first, rest, several = strings.Cut(rest, "/")
		if !isComponent(first) {
			return false
		}
	}
	return true
}

// nameFault says what is wrong with a name and what to write instead, or
// nothing.
func nameFault(name string) string {
	if name == "" {
		return "the name is empty: write a repository such as team/app"
	}
	components := strings.Split(name, "/")
	for i, component := range components {
		fault := componentFault(component, component, i == 0)
		if fault == "" {
			continue
		}
		if i == len(components)-1 {
			fault = cmp.Or(referenceFault(component), fault)
		}
		return fault
	}
	if len(components) == 1 && isHost(name) {
		return fmt.Sprintf("%q is a host without a repository, or a repository with a tag: write the name of the repository alone, such as team/app", name)
	}
	return ""
}

// componentFault says what is wrong with one component and what to write
// instead, or nothing. What was written and what is judged differ when
// something stands for a wildcard.
func componentFault(written, judged string, first bool) string {
	switch lower := strings.ToLower(judged); {
	case isComponent(judged), first && isHost(judged):
		return ""
	case judged == "":
		return "a component is empty: write the name without leading, trailing or doubled slashes"
	case isHost(judged):
		return fmt.Sprintf("%q has a port, which no component of a repository has: leave it out", written)
	case judged == "." || judged == "..":
		return fmt.Sprintf("%q is no component: a repository is not a file path, write its name in full", written)
	case lower != judged && (isComponent(lower) || first && isHost(lower)):
		return fmt.Sprintf("%q has upper-case letters: write %q", written, strings.ToLower(written))
	default:
		return fmt.Sprintf("%q is no component: use lower-case letters and digits, separated by '.', '_', '__' or dashes", written)
	}
}

// isComponent reports whether s is one part of a repository path:
// [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*.
func isComponent(s string) bool {
	for {
		run := 0
		for run < len(s) && isAlphanumeric(s[run]) {
			run++
		}
		if run == 0 {
			return false
		}
		if s = s[run:]; s == "" {
			return true
		}
		switch {
		case s[0] == '.':
			s = s[1:]
		case s[0] == '_':
			s = strings.TrimPrefix(s[1:], "_")
		case s[0] == '-':
			s = strings.TrimLeft(s, "-")
		default:
			return false
		}
	}
}

// isHost reports whether s is a host that is no component by itself: one with
// a port, or an IPv6 address in brackets. Hosts without a port are components.
func isHost(s string) bool {
	if address, ok := strings.CutPrefix(s, "["); ok {
		address, port, closed := strings.Cut(address, "]")
		return closed && address != "" && strings.Trim(address, digits+"abcdef:") == "" &&
			(port == "" || port[0] == ':' && isPort(port[1:]))
	}
	host, port, found := strings.Cut(s, ":")
	return found && isPort(port) && isComponent(host) && !strings.Contains(host, "_")
}

func isAlphanumeric(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

func isPort(s string) bool { return s != "" && strings.Trim(s, digits) == "" }
