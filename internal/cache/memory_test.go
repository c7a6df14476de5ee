package cache

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/store"
)

// newTexts is a memory for texts that weigh as much as they are long.
func newTexts() *memory[string, string] {
	return newMemory(func(s string) int { return max(len(s), entryWeight) }, func(string, string) int64 { return 0 })
}

func keysOf(m *memory[string, string]) []string {
	var keys []string
	for key := range m.all() {
		keys = append(keys, key)
	}
	return keys
}

// TestMemoryForgetsWhatWasUsedLongestAgo guards what makes room for another entry,
// and that neither a look nor a renewal is a use.
func TestMemoryForgetsWhatWasUsedLongestAgo(t *testing.T) {
	quarter := strings.Repeat("x", memoryBytes/4)
	m := newTexts()
	for _, key := range []string{"a", "b", "c", "d"} {
		m.put(key, quarter, stamp{})
	}
	assert.Equal(t, []string{"d", "c", "b", "a"}, keysOf(m))
	a, ok := m.get("a")
	assert.True(t, ok)
	b, ok := m.peek("b")
	assert.True(t, ok)
	m.renew("b", b, quarter, stamp{revision: 1})
	m.renew("a", b, quarter, stamp{revision: 1}) // a is another entry
	assert.Equal(t, []string{"a", "d", "c", "b"}, keysOf(m))
	kept, _ := m.peek("a")
	assert.Same(t, a, kept)
	renewed, _ := m.peek("b")
	assert.EqualValues(t, 1, renewed.stamp.revision)
	assert.Equal(t, b.used.Load(), renewed.used.Load())
	m.put("e", quarter, stamp{})
	assert.Equal(t, []string{"e", "a", "d", "c"}, keysOf(m))
	m.renew("b", renewed, quarter, stamp{}) // it is gone
	assert.Equal(t, []string{"e", "a", "d", "c"}, keysOf(m))
}

// TestMemoryKnowsItsWeight guards the bound over everything that changes it.
func TestMemoryKnowsItsWeight(t *testing.T) {
	m := newTexts()
	weight := func() (total int) {
		for _, e := range m.all() {
			total += m.weigh(e.value)
		}
		return total
	}
	large := func(part int) string { return strings.Repeat("x", memoryBytes/part) }
	m.put("a", large(2), stamp{})
	m.put("b", large(4), stamp{})
	m.put("a", large(8), stamp{})
	assert.Equal(t, memoryBytes/8+memoryBytes/4, m.weight)
	b, _ := m.peek("b")
	m.renew("b", b, large(1), stamp{}) // no room for both, and a was used last
	assert.Equal(t, []string{"a"}, keysOf(m))
	assert.Equal(t, weight(), m.weight)
	m.put("huge", large(1)+"x", stamp{})
	assert.Equal(t, []string{"a"}, keysOf(m), "what has no room by itself takes none from others")
	m.put("a", large(1)+"x", stamp{})
	assert.Empty(t, keysOf(m), "of what grew too large nothing old stays")
	assert.Zero(t, m.weight)
	m.put("c", "", stamp{})
	m.forget("c")
	m.forget("c")
	assert.Zero(t, m.weight)
	for range 3 {
		for i := range 2 * memoryBytes / entryWeight {
			m.put(string(rune(i+1)), "", stamp{})
		}
	}
	assert.Equal(t, weight(), m.weight)
	assert.Equal(t, memoryBytes/entryWeight, m.slots.Len())
}

func TestNothingWeighsLessThanAnEntry(t *testing.T) {
	assert.GreaterOrEqual(t, rightsWeight(access.NewRights("", nil)), entryWeight)
	assert.GreaterOrEqual(t, loginWeight(store.Login{}), entryWeight)
	assert.GreaterOrEqual(t, accessTokenWeight(AccessToken{}), entryWeight)
	assert.GreaterOrEqual(t, refreshTokenWeight(store.RefreshTokenLogin{}), entryWeight)
}
