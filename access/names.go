package access

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// names holds what may be done to each of many names. It has the names in one
// text, in their order: a hundred thousand of them take a few bytes each beside
// their letters, and the garbage collector has nothing to follow.
type names struct {
	text    string
	entries []nameEntry
}

// nameEntry is one name, which begins where the one before ends.
type nameEntry struct {
	end     uint32
	actions Actions
}

// named is a name and what may be done to it.
type named struct {
	name    string
	actions Actions
}

// newNames takes names in any order. What stands there twice adds up.
func newNames(all []named) names {
	if len(all) == 0 {
		return names{}
	}
	slices.SortFunc(all, func(a, b named) int { return cmp.Compare(a.name, b.name) })
	length, different := 0, 0
	for i, one := range all {
		if i == 0 || one.name != all[i-1].name {
			length += len(one.name)
			different++
		}
	}
	var text strings.Builder
	text.Grow(length)
	entries := make([]nameEntry, 0, different)
	for i, one := range all {
		if i > 0 && one.name == all[i-1].name {
			entries[len(entries)-1].actions |= one.actions
			continue
		}
		text.WriteString(one.name)
		entries = append(entries, nameEntry{uint32(text.Len()), one.actions}) // a subject has fewer and shorter names
	}
	return names{text.String(), entries}
}

// of is what may be done to a name.
func (n *names) of(name string) Actions {
	if len(n.entries) == 0 {
		return 0
	}
	i, found := sort.Find(len(n.entries), func(i int) int { return strings.Compare(name, n.at(i)) })
	if !found {
		return 0
	}
	return n.entries[i].actions
}

func (n *names) at(i int) string {
	var start uint32
	if i > 0 {
		start = n.entries[i-1].end
	}
	return n.text[start:n.entries[i].end]
}

// size is how many bytes the names take, about.
func (n *names) size() int {
	const entry = 8
	return len(n.text) + entry*len(n.entries)
}
