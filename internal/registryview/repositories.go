package registryview

import (
	"context"
	"slices"
	"strings"
	"time"
)

const (
	// DefaultPage is how many lines a page has, and maxPage at most.
	DefaultPage = 50
	maxPage     = 1000
	// maxSearch bounds a search, in bytes.
	maxSearch = 256
	// maxWords bounds its words.
	maxWords = 8
)

// Query says what of a list to show.
type Query struct {
	// Search has words, each of which must stand in a name. Default: every name.
	Search string
	// After is the last name that was seen. Default: from the beginning.
	After string
	// Limit is how many names to show. Default: [DefaultPage].
	Limit int
}

func (q Query) limit() int {
	if q.Limit <= 0 {
		return DefaultPage
	}
	return min(q.Limit, maxPage)
}

// words are those to look for, as names are written: each once, for every name is
// searched for each.
func (q Query) words() []string {
	words := strings.Fields(strings.ToLower(q.Search[:min(len(q.Search), maxSearch)]))
	slices.Sort(words)
	words = slices.Compact(words)
	return words[:min(len(words), maxWords)]
}

// hasAll reports whether every word stands in a name.
func hasAll(name string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(name, word) {
			return false
		}
	}
	return true
}

// Repositories are the names of repositories that a viewer may pull.
type Repositories struct {
	Names []string
	// Total is how many there are on all pages together.
	Total int
	// Next is the After of the next page, empty on the last one.
	Next string
	// ReadAt is when the registry was asked, zero before it has answered.
	ReadAt time.Time
	// Reading is set while it is asked.
	Reading bool
	// Cut is set when the registry has more names than are kept.
	Cut bool
	// Err is why it could not be asked the last time. Names may be of before.
	Err error
}

// Repositories lists what the viewer may pull, by name.
func (r *Registry) Repositories(ctx context.Context, v Viewer, q Query) Repositories {
	all, reading, err := r.names(ctx)
	found := Repositories{Reading: reading, Err: err}
	if all == nil {
		return found
	}
	found.ReadAt, found.Cut = all.read, all.cut
	seen, words, limit := r.viewers.see(all.all, v), q.words(), q.limit()
	start, again := slices.BinarySearch(all.all.list, q.After)
	if again {
		start++
	}
	first := start
	if found.Total = seen.count; len(words) > 0 {
		first, found.Total = 0, 0 // all of them are to be counted
	}
	for i := range seen.from(first) {
		name := all.all.list[i]
		if !hasAll(name, words) {
			continue
		}
		if len(words) > 0 {
			found.Total++
		}
		switch {
		case i < start:
		case len(found.Names) < limit:
			found.Names = append(found.Names, name)
		case found.Next == "":
			found.Next = found.Names[limit-1]
		case len(words) == 0:
			return found
		}
	}
	return found
}
