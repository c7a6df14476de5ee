package access

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// many are so many permissions of all kinds.
func many(t testing.TB, count int) []Permission {
	t.Helper()
	all := make([]Permission, count)
	for i := range all {
		text := fmt.Sprintf("repository:team-%d/app-%d:pull", i/100, i%100)
		switch i % 10 {
		case 6:
			text = fmt.Sprintf("namespace:space-%d/group:push", i)
		case 7:
			text = fmt.Sprintf("repository:flat-%d/*:pull", i)
		case 8:
			text = fmt.Sprintf("repository:team-%d/**/release-*:delete", i)
		case 9:
			text = fmt.Sprintf("repository:*/tool-%d:push", i)
		}
		var err error
		all[i], err = ParsePermission(text)
		require.NoError(t, err)
	}
	return all
}

func TestManyPermissions(t *testing.T) {
	rights := NewRights("alice", many(t, 10_000))
	for name, want := range map[string]Actions{
		"team-7/app-3":           Pull,
		"team-7/app-6":           0,
		"team-7":                 0,
		"team-7/app-3/more":      0,
		"space-706/group":        Pull | Push,
		"space-706/group/a/b":    Pull | Push,
		"space-706/groups":       0,
		"space-706":              0,
		"flat-707/a":             Pull,
		"flat-707":               0,
		"flat-707/a/b":           0,
		"team-708/release-1":     Delete,
		"team-708/a/b/release-1": Delete,
		"team-708/a/b/release":   0,
		"anything/tool-709":      Pull | Push,
		"tool-709":               0,
		"any/thing/tool-709":     0,
		"team-8/app-10":          Pull,
	} {
		assert.Equal(t, want, rights.Allowed(Repository, name), name)
	}
	assert.Zero(t, NewRights("alice", nil).Allowed(Repository, "a"), "without any")
}

// TestManyPermissionsTakeLittle guards what a subject with very many of them keeps in memory, and what a request of its costs
// beside one of a subject with few.
func TestManyPermissionsTakeLittle(t *testing.T) {
	all := make([]Permission, 100_000)
	for i := range all {
		all[i] = Permission{Repository, fmt.Sprintf("team-%d/app-%d", i/100, i%100), Pull}
	}
	rights, letters := NewRights("alice", all), 0
	for _, p := range all {
		letters += len(p.Name)
	}
	size := rights.Size()
	assert.LessOrEqual(t, size, letters+8*len(all), "bytes")
	assert.GreaterOrEqual(t, size, letters, "bytes")
	asked := []Scope{{Repository, "team-999/app-99", Pull}}
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { rights.Grant(asked) }), 1.0, "allocations, want but what is granted")
}

func FuzzNames(f *testing.F) {
	f.Add("a b c ab a", "ab")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, text, name string) {
		var all []named
		want := map[string]Actions{}
		for i, word := range strings.Fields(text) {
			actions := Actions(1 << (i % 3))
			all, want[word] = append(all, named{word, actions}), want[word]|actions
		}
		n := newNames(all)
		for _, word := range append(strings.Fields(text), name) {
			assert.Equal(t, want[word], n.of(word), "%q", word)
		}
	})
}

func BenchmarkAllowed(b *testing.B) {
	for _, count := range []int{10, 1000, 100_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			rights := NewRights("alice", many(b, count))
			b.ReportAllocs()
			for b.Loop() {
				rights.Allowed(Repository, "team-0/app-3")
			}
		})
	}
}
