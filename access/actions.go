package access

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dockit-registry/dockit/internal/printable"
)

// Actions is a set of things that can be done to a repository. The bits are
// kept in databases and never change their meaning.
type Actions uint8

const (
	// Pull reads manifests, blobs and tags.
	Pull Actions = 1 << iota
	// Push writes them. Who may push may pull as well.
	Push
	// Delete removes manifests and blobs.
	Delete

	// All is every action, written "*".
	All = Pull | Push | Delete
)

// ErrInvalidActions is returned for a list that is empty or names an unknown
// action.
var ErrInvalidActions = errors.New("invalid actions")

// actionNames holds the actions in the order in which they are written.
var actionNames = [...]struct {
	action Actions
	name   string
}{
	{Pull, "pull"},
	{Push, "push"},
	{Delete, "delete"},
}

// ParseActions reads a list such as "pull,push" or "*".
func ParseActions(s string) (Actions, error) {
	if s == "" {
		return 0, fmt.Errorf("%w: none given: use pull, push, delete or *, separated by commas", ErrInvalidActions)
	}
	var set Actions
	for name := range strings.SplitSeq(s, ",") {
		action := actionNamed(name)
		if action == 0 {
			return 0, fmt.Errorf("%w: unknown action %q: use pull, push, delete or *, separated by commas", ErrInvalidActions, printable.Clip(name))
		}
		set |= action
	}
	return set, nil
}

// actionNamed is the set that one word of a list stands for, empty for an
// unknown word.
func actionNamed(name string) Actions {
	if name == "*" {
		return All
	}
	for _, known := range actionNames {
		if known.name == name {
			return known.action
		}
	}
	return 0
}

// String writes the set as [ParseActions] reads it: always in the order pull,
// push, delete, and "*" for all of them.
func (a Actions) String() string {
	if a == All {
		return "*"
	}
	return a.names()
}

// actionTexts are the names of each set, with commas between.
var actionTexts = func() (texts [All + 1]string) {
	for set := range texts {
		texts[set] = strings.Join(Actions(set).List(), ",")
	}
	return texts
}()

// names is each action of the set by its name, with commas between.
func (a Actions) names() string { return actionTexts[a&All] }

// List names each action of the set, in the order pull, push, delete. It never
// holds "*", which not every registry takes for a repository.
func (a Actions) List() []string {
	list := make([]string, 0, len(actionNames))
	for _, known := range actionNames {
		if a.Has(known.action) {
			list = append(list, known.name)
		}
	}
	return list
}

// Has reports whether the set holds all of the given actions.
func (a Actions) Has(actions Actions) bool { return a&actions == actions }

// Implied is the set with all that it includes: push adds pull.
func (a Actions) Implied() Actions {
	if a.Has(Push) {
		a |= Pull
	}
	return a
}
