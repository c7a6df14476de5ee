package passwords

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHashesAtOnce guards that neither many cores nor little memory make the
// checks of passwords take more memory than there is.
func TestHashesAtOnce(t *testing.T) {
	for _, c := range []struct {
		name   string
		cores  int
		memory int64
		want   int
	}{
		{"one core", 1, 1 << 62, 1},
		{"two cores", 2, 1 << 62, 1},
		{"eight cores", 8, 1 << 62, fewHashes},
		{"many cores", 64, 1 << 62, 16},
		{"many cores, some memory", 64, 200 << 20, 5},
		{"many cores, little memory", 64, 40 << 20, 1},
		{"many cores, next to no memory", 64, 10 << 20, 1},
	} {
		assert.Equal(t, c.want, hashesAtOnce(c.cores, c.memory), c.name)
	}
}

// TestMemoryIsGivenBackAfterRefusals guards that requests that are turned away also
// have memory given back when they are gone.
func TestMemoryIsGivenBackAfterRefusals(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		add(f.room.sources, source{customer: "a", network: "a.1"}, roomSize)
		began := time.Now()
		_, err := f.try("nobody", f.Guess(), home)
		require.ErrorIs(t, err, ErrBusy)
		time.Sleep(returnEvery)
		synctest.Wait()
		f.hasher.mu.Lock()
		defer f.hasher.mu.Unlock()
		assert.Greater(t, f.hasher.returned, began, "nothing was given back")
	})
}
