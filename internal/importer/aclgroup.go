package importer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// group returns the group that was made for something, or makes it under the
// first name that is free.
func (i *aclImport) group(purpose string, names []string, members []*account, made func(subject.Ref)) subject.Ref {
	if ref, known := i.groups[purpose]; known {
		return ref
	}
	ref := subject.Ref{Kind: subject.Group, Name: i.freeName(names)}
	i.names[ref.Name], i.groups[purpose] = ref, ref
	s := state.Subject{Ref: ref}
	for _, a := range members {
		s.Members = append(s.Members, subject.Ref{Kind: subject.User, Name: a.name})
	}
	i.result.Document.Subjects = append(i.result.Document.Subjects, s)
	made(ref)
	return ref
}

// freeName is the first of some names that no subject has, made valid, or the last
// with a number.
func (i *aclImport) freeName(names []string) string {
	var name string
	for _, name = range names {
		name = validName(name)
		if _, taken := i.names[name]; !taken {
			return name
		}
	}
	for n := 2; ; n++ {
		numbered := fmt.Sprintf("%s-%d", name, n)
		if _, taken := i.names[numbered]; !taken {
			return numbered
		}
	}
}

// validName replaces what a name cannot have.
func validName(s string) string {
	const most = subject.MaxNameLength - 8 // room for a number
	var name strings.Builder
	for _, c := range strings.ToLower(s) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			name.WriteRune(c)
		} else if !strings.HasSuffix(name.String(), "-") {
			name.WriteByte('-')
		}
	}
	cut := name.String()
	if subject.ValidateName(s) == nil {
		cut = s
	}
	cut = strings.Trim(cut[:min(len(cut), most)], "-._@")
	if cut == "" {
		return "group"
	}
	return cut
}

// grant adds a permission to a subject of the document, which is made when it
// is built in.
func (i *aclImport) grant(r *aclRule, to subject.Ref, p access.Permission) {
	document := i.result.Document
	at := slices.IndexFunc(document.Subjects, func(s state.Subject) bool { return s.Ref == to })
	if at < 0 {
		at = len(document.Subjects)
		document.Subjects = append(document.Subjects, state.Subject{Ref: to})
	}
	if name, hosted := access.WithoutHost(p.Name); hosted {
		i.result.find(Warning, r.line, r.String(), "%s does nothing, and its rule did nothing there: a registry sees %s, without the host. If that is meant: rbac grant %s 'repository:%[2]s:%[4]s'", p, name, to, p.Actions)
	}
	s := &document.Subjects[at]
	for n := range s.Permissions {
		if held := &s.Permissions[n]; held.Type == p.Type && held.Name == p.Name {
			held.Actions |= p.Actions
			return
		}
	}
	s.Permissions = append(s.Permissions, p)
}
