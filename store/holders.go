package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

// Holder is a subject that was given something on a repository, and what.
type Holder struct {
	Ref      subject.Ref
	Disabled bool
	// Permission is the one that covers the repository. With {username} in its name,
	// a group gives it to the one member only whose name makes it so.
	Permission access.Permission
}

// maxHolders is how many permissions are looked at for one repository.
const maxHolders = 10_000

// Holders lists who was given something on a repository itself, and not through a
// group: groups first, then robots and users, each by name. It reports whether there
// are more than are looked at.
func (s *Store) Holders(ctx context.Context, repository string) ([]Holder, bool, error) {
	if err := access.ValidateRepository(repository); err != nil {
		return nil, false, err
	}
	var candidates []Holder
	for spans := range slices.Chunk(covering(repository), mostSpans) {
		args := make([]any, 0, 2*len(spans)+1)
		for _, one := range spans {
			args = append(args, one.low, one.high)
		}
		some, err := collect(ctx, s.reader, func(row scanner) (h Holder, err error) {
			return h, row.Scan(&h.Ref.Kind, &h.Ref.Name, &h.Disabled, &h.Permission.Type, &h.Permission.Name, &h.Permission.Actions)
		}, holdersQuery(len(spans)), append(args, maxHolders+1-len(candidates))...)
		if err != nil {
			return nil, false, fmt.Errorf("list who was given something on %s: %w", repository, err)
		}
		candidates = append(candidates, some...)
	}
	cut := len(candidates) > maxHolders
	holders := slices.DeleteFunc(candidates[:min(len(candidates), maxHolders)], func(h Holder) bool { return !h.covers(repository) })
	slices.SortFunc(holders, func(a, b Holder) int {
		return cmp.Or(strings.Compare(string(a.Ref.Kind), string(b.Ref.Kind)), strings.Compare(a.Ref.Name, b.Ref.Name),
			strings.Compare(a.Permission.String(), b.Permission.String()))
	})
	return holders, cut, nil
}

// covers reports whether the permission says anything about a repository for the
// holder, or for a member of it.
func (h Holder) covers(repository string) bool {
	switch {
	case h.Ref.Kind == subject.Group:
		p := h.Permission
		p.Name = anyUsername(p.Name)
		return p.Matches("", access.Repository, repository)
	case h.Ref == subject.Anonymous:
		return h.Permission.Matches("", access.Repository, repository)
	default:
		return h.Permission.Matches(h.Ref.Name, access.Repository, repository)
	}
}

// anyUsername is the name of a permission with a wildcard for {username}: some
// member of a group may be called as it takes.
func anyUsername(name string) string {
	const placeholder = "{username}"
	if !strings.Contains(name, placeholder) {
		return name
	}
	components := strings.Split(name, "/")
	for i, component := range components {
		if !strings.Contains(component, placeholder) {
			continue
		}
		component = strings.ReplaceAll(component, placeholder, "*")
		for strings.Contains(component, "**") { // which would be any number of components
			component = strings.ReplaceAll(component, "**", "*")
		}
		components[i] = component
	}
	return strings.Join(components, "/")
}

// holdersQuery reads the permissions whose names lie in so many spans. They are joined
// to, because SQLite would look at every permission there is for many alternatives.
func holdersQuery(spans int) string {
	return "SELECT s.kind, s.name, s.disabled, p.type, p.name, p.actions FROM (SELECT ? AS low, ? AS high" +
		strings.Repeat(" UNION ALL SELECT ?, ?", spans-1) + `) o
CROSS JOIN permissions p ON p.name >= o.low AND p.name <= o.high
CROSS JOIN subjects s ON s.id = p.subject_id
WHERE p.type <> 'registry' LIMIT ?`
}

// span is where names lie, both ends included.
type span struct{ low, high string }

// mostSpans is how many spans one query has: SQLite takes up to 500.
const mostSpans = 100

// covering are the spans in which the names of permissions lie that may cover a
// repository, with few others: it itself, the namespaces above it, and what is the
// same up to its first wildcard. No name lies in two.
func covering(repository string) []span {
	all := []span{{repository, repository}}
	for i := range len(repository) {
		if repository[i] == '/' {
			all = append(all, span{repository[:i], repository[:i]})
		}
	}
	// team/** covers team as well.
	path := repository + "/"
	for i := range len(path) + 1 {
		for _, wildcard := range []string{"*", "{"} {
			const last = "~" // stands in no name, and behind all that does
			all = append(all, span{path[:i] + wildcard, path[:i] + wildcard + last})
		}
	}
	return all
}
