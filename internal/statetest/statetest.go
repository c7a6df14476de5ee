// Package statetest makes random states for property tests.
package statetest

import (
	"fmt"
	"math/rand/v2"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// names are few, so that independent documents share some, and odd, so that
// YAML may take them for something else.
var names = []string{
	"alice", "bob", "ci", "dev", "true", "null", "no", "y", "007", "1e5", "0x1f", "2024-01-02",
	"1_000", "a.b", "a_b@c-d", "x1", "z", "e1", "off", "infra", "qa", "root", "team", "ops",
}

var targets = []string{
	"**", "a", "a/b", "team/**", "team/*", "{username}/**", "{username}-*", "host.example.com:5000/a",
	"*/latest", "a__b/c-d", "public/*/x",
}

// Document makes a valid document in its canonical order. It lists a built-in
// subject only with permissions, as an export does.
func Document(r *rand.Rand) *state.Document {
	var d state.Document
	var members []subject.Ref
	for _, i := range r.Perm(len(names))[:r.IntN(len(names)+1)] {
		ref := subject.Ref{Kind: subject.Kinds[r.IntN(len(subject.Kinds))], Name: names[i]}
		if ref.Kind != subject.Group {
			members = append(members, ref)
		}
		d.Subjects = append(d.Subjects, state.Subject{
			Ref:         ref,
			Admin:       ref.Kind == subject.User && r.IntN(4) == 0,
			Disabled:    r.IntN(5) == 0,
			Permissions: Permissions(r),
		})
	}
	for _, builtIn := range []subject.Ref{subject.Anonymous, subject.Authenticated} {
		if permissions := Permissions(r); len(permissions) > 0 {
			d.Subjects = append(d.Subjects, state.Subject{Ref: builtIn, Permissions: permissions})
		}
	}
	for i := range d.Subjects {
		if s := &d.Subjects[i]; s.Ref.Kind == subject.Group && !s.Ref.BuiltIn() && len(members) > 0 {
			for _, j := range r.Perm(len(members))[:r.IntN(len(members)+1)] {
				s.Members = append(s.Members, members[j])
			}
		}
	}
	d.Sort()
	if err := d.Validate(); err != nil {
		panic(fmt.Sprintf("statetest made a document that is not valid: %v", err))
	}
	return &d
}

// Permissions makes a few permissions, at most one for each type and name.
func Permissions(r *rand.Rand) []access.Permission {
	var permissions []access.Permission
	if r.IntN(6) == 0 {
		permissions = append(permissions, access.Catalog)
	}
	for _, t := range []access.Type{access.Namespace, access.Repository} {
		for _, i := range r.Perm(len(targets))[:r.IntN(4)] {
			permissions = append(permissions, access.Permission{
				Type: t, Name: targets[i], Actions: access.Actions(1 + r.IntN(int(access.All))),
			})
		}
	}
	return permissions
}

// Large makes a document of so many users, groups and permissions. Each user
// is in three groups.
func Large(users, groups, permissions int) *state.Document {
	var d state.Document
	grant := func(i, n int) []access.Permission {
		all := make([]access.Permission, n)
		for j := range all {
			all[j] = access.Permission{Type: access.Repository, Name: fmt.Sprintf("team-%d/project-%d/**", i, j), Actions: access.Push}
		}
		return all
	}
	each := permissions / (users + groups)
	spare := permissions - each*(users+groups)
	for i := range users {
		n := each
		if i < spare {
			n++
		}
		d.Subjects = append(d.Subjects, state.Subject{
			Ref: subject.Ref{Kind: subject.User, Name: fmt.Sprintf("user-%d", i)}, Admin: i == 0, Permissions: grant(i, n),
		})
	}
	for i := range groups {
		s := state.Subject{Ref: subject.Ref{Kind: subject.Group, Name: fmt.Sprintf("group-%d", i)}, Permissions: grant(users+i, each)}
		for j := range users {
			if offset := (j - i%users + users) % users; offset%groups < 3 {
				s.Members = append(s.Members, subject.Ref{Kind: subject.User, Name: fmt.Sprintf("user-%d", j)})
			}
		}
		d.Subjects = append(d.Subjects, s)
	}
	d.Sort()
	return &d
}
