package registryview

import (
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/dockit-registry/dockit/internal/registryclient"
)

const (
	// maxTagLists is how many lists of tags are remembered, and maxTagListBytes what
	// they take together, about.
	maxTagLists     = 1000
	maxTagListBytes = 32 << 20
	// tagsFreshFor is how long a list counts; one that took long to read, longer.
	tagsFreshFor   = 10 * time.Second
	tagsFreshTimes = 20
)

// tagKey is whose list of tags it is, and of which repository: a registry may tell
// one viewer more than another.
type tagKey struct{ viewer, repository string }

// tagList are the tags of a repository as they were at a time.
type tagList struct {
	// tags are in the order of versions.
	tags      []string
	belonging int
	cut       bool
	read      time.Time
	took      time.Duration

	mu       sync.Mutex
	resolved map[string]registryclient.Digest
}

// after is where the list goes on behind a tag, which need not be in it.
func (l *tagList) after(tag string) int {
	if tag == "" {
		return 0
	}
	at, found := slices.BinarySearchFunc(l.tags, tag, byVersion)
	if found {
		at++
	}
	return at
}

func (l *tagList) digest(tag string) (registryclient.Digest, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	digest, known := l.resolved[tag]
	return digest, known
}

func (l *tagList) keep(tag string, digest registryclient.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resolved[tag] = digest
}

// size is how many bytes it takes, about, when every tag was resolved.
func (l *tagList) size() int {
	const entry, longest = 16, 200
	size := longest * min(len(l.tags), maxPage)
	for _, tag := range l.tags {
		size += entry + len(tag)
	}
	return size
}

// tagLists remembers lists for a moment, so that leafing through one asks once.
type tagLists struct {
	mu    sync.Mutex
	lists *lru.Cache[tagKey, *tagList]
	bytes int
}

func newTagLists() *tagLists {
	t := new(tagLists)
	lists, err := lru.NewWithEvict(maxTagLists, func(_ tagKey, l *tagList) { t.bytes -= l.size() })
	if err != nil {
		panic(err) // the size is positive
	}
	t.lists = lists
	return t
}

// get returns a list that is not old, or nil.
func (t *tagLists) get(key tagKey, now time.Time) *tagList {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, known := t.lists.Get(key)
	if !known {
		return nil
	}
	if now.Sub(l.read) >= max(tagsFreshFor, tagsFreshTimes*l.took) {
		t.lists.Remove(key)
		return nil
	}
	return l
}

func (t *tagLists) add(key tagKey, l *tagList) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lists.Remove(key)
	t.lists.Add(key, l)
	for t.bytes += l.size(); t.bytes > maxTagListBytes; {
		t.lists.RemoveOldest()
	}
}

// forget drops all lists of a repository.
func (t *tagLists) forget(repository string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range t.lists.Keys() {
		if key.repository == repository {
			t.lists.Remove(key)
		}
	}
}
