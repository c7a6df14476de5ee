package registryview

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTagsAreInTheOrderOfVersions(t *testing.T) {
	want := []string{
		"latest",
		"20260101", "v10.0.0", "2.0", "1.10.0", "1.10.0-rc.10", "1.10.0-rc.9", "1.10.0-alpine", "1.9.12", "v1.9.2", "1.9", "1", "0.1",
		"sha-9f", "release-10", "release-9", "main", "Main", "_",
	}
	for range 100 {
		got := slices.Clone(want)
		rand.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		slices.SortFunc(got, byVersion)
		assert.Equal(t, want, got)
	}
}

// TestOrderIsOne guards that the order contradicts itself nowhere, on which paging
// relies.
func TestOrderIsOne(t *testing.T) {
	const letters = "0019vV.-_ar"
	tag := func() string {
		b := make([]byte, 1+rand.IntN(6))
		for i := range b {
			b[i] = letters[rand.IntN(len(letters))]
		}
		return string(b)
	}
	for range 200_000 {
		a, b, c := tag(), tag(), tag()
		assert.Equal(t, byVersion(a, b), -byVersion(b, a), "%s %s", a, b)
		assert.Equal(t, a == b, byVersion(a, b) == 0, "%s %s", a, b)
		if byVersion(a, b) < 0 && byVersion(b, c) < 0 {
			assert.Negative(t, byVersion(a, c), "%s %s %s", a, b, c)
		}
	}
}
