package auth

import "testing"

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
		{"many cores", 64, 1 << 62, maxHashes},
		{"many cores, little memory", 64, 40 << 20, 1},
		{"many cores, next to no memory", 64, 10 << 20, 1},
	} {
		if n := hashesAtOnce(c.cores, c.memory); n != c.want {
			t.Errorf("%s: %d", c.name, n)
		}
	}
}
